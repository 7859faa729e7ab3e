"""Record of a file that ``colorsweep colorize`` has written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Met:
    """Target of a statistic, and what became of it."""

    wanted: float
    achieved: float | None
    """Value of the picture; None of a hue that a grey picture lacks."""
    reachable: float
    """Value nearest to the target that the picture's lightness allows."""


@dataclass(frozen=True)
class Written:
    """File that was written, and what it is."""

    picture: Path
    output: Path
    kind: str
    """``picture``, ``strip`` or ``animation``."""
    generator: str
    seconds: float
    targets: Mapping[str, Met] = field(default_factory=dict)
    """By statistic; empty for strips and animations."""
