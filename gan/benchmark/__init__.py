"""Benchmark against a plain PyTorch loop."""
