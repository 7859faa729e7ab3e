"""Sweep files and their trials."""
