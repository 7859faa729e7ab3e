"""Colour conversion, colour statistics, and exact control of the statistics."""
