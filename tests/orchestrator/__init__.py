"""Tests of sweeps, commands and workers."""
