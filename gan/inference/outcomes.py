"""Outcomes: wanted, achieved and reachable values of a coloured picture."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.conversion import rgb_to_l_ab
from gan.colour.statistic import Statistic
from gan.colour.statistics import STATISTICS
from gan.control import ControlName
from gan.inference.pixels import Sample, sparsely, unit, visible

GREY = 1.5 / 255
"""Largest difference of a grey pixel's channels: what rounding to 8 bits may leave."""


@dataclass(frozen=True)
class Outcome:
    """Result for a target in one picture, in the statistic's own unit."""

    wanted: float
    achieved: float | None
    """Measured value; None for the hue of a picture that is grey but for rounding."""
    reachable: float
    """Value nearest to the target that any colouring of that lightness can have."""
    missed: float
    """achieved - reachable; for hue, the shorter way round the circle, or 0 if there is no hue."""


def outcomes(
    picture: NDArray[Sample], wanted: Mapping[ControlName, float]
) -> dict[ControlName, Outcome]:
    """Compare the visible part of a picture with the targets.

    Args:
        picture: (H, W, 3 or 4) as ``Colorizer`` returns it. In a large one about every n-th pixel
            of every n-th row is measured, half a million at most.
        wanted: targets by name.
    """
    rows, columns = sparsely(picture)
    part = picture[rows[:, None], columns]
    rgb = torch.from_numpy(unit(part[visible(part)][:, :3])).T[None, :, None]
    grey = bool((rgb.amax(1) - rgb.amin(1)).amax() < GREY)
    return {
        name: _outcome(STATISTICS[name], rgb, target, known=not grey or name != "hue")
        for name, target in wanted.items()
    }


def _outcome(statistic: Statistic, rgb: Tensor, target: float, *, known: bool) -> Outcome:
    achieved, reachable = statistic.measure(rgb), statistic.reachable(rgb_to_l_ab(rgb)[0], target)
    missed = statistic.difference(achieved, reachable).item() if known else 0.0
    return Outcome(target, achieved.item() if known else None, reachable.item(), missed)
