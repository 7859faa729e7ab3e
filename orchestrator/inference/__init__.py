"""Trained generators on files of pictures."""
