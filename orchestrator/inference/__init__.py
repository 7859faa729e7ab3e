"""Trained generators applied to picture files."""
