"""Names of evaluation metrics, importable without torch."""

from collections.abc import Mapping

from gan.control import ControlName

EXACT_PREFIX = "exact/"
"""Prefix of metrics of outputs that exact control moved to their targets."""


def label_of(targets: Mapping[ControlName, float]) -> str:
    """Return a label of targets in characters valid in metric names: "hue 0.6 saturation 0.35"."""
    return " ".join(f"{name} {value:g}" for name, value in targets.items())
