"""Benchmark of the engine against a plain PyTorch loop."""
