"""Sweeps: what to train, on what, and how to go on after an interruption."""
