"""The generator that comes along: generator.safetensors, config.json, and README.md about it."""

from pathlib import Path

PRETRAINED = Path(__file__).parent
"""Directory of the generator."""
PRETRAINED_TARGETS = {"saturation": 0.3}
"""Targets where none is given. Half of the pictures that it was trained on have less mean
saturation than 0.30, and half have more."""
