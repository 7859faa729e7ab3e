"""Evaluation on held-out images."""
