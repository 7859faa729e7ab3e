"""Names of an evaluation's metrics; for readers too, to whom torch is no use."""

from collections.abc import Mapping

from gan.control import ControlName

EXACT_PREFIX = "exact/"
"""Begins the names of metrics of outputs that exact control moved to their targets."""


def label_of(targets: Mapping[ControlName, float]) -> str:
    """Name some targets, in letters that a metric's name may have: "hue 0.6 saturation 0.35"."""
    return " ".join(f"{name} {value:g}" for name, value in targets.items())
