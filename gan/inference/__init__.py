"""Trained generators on pictures of any size."""
