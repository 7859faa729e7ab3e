"""How networks are given the targets of each picture: as coordinates, planes and modulations."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan.colour.statistics import STATISTICS, Targets
from gan.control import Control, ControlName

HIDDEN = 32
"""Units of the layer between targets and the scale and shift of a block's maps."""


def coordinates(targets: Targets, controls: dict[ControlName, Control]) -> Tensor:
    """Write targets as what a network is given.

    Hue becomes a point of the unit circle (two numbers), so that 0 and 1 are the same; every other
    statistic -1 to 1 over what is drawn of it in training.

    Args:
        targets: (N,) each, in the statistics' own units.
        controls: those to write, in order, with the range of each.

    Returns:
        (N, K).
    """
    columns = []
    for name, control in controls.items():
        if STATISTICS[name].circular:
            angle = targets[name] * (2 * math.pi)
            columns += [angle.cos(), angle.sin()]
        else:
            low, high = control.bounds(name)
            columns.append((targets[name] - low) / (high - low) * 2 - 1)
    return torch.stack(columns, dim=1)


def width(names: Sequence[ControlName]) -> int:
    """Count the coordinates of some statistics."""
    return sum(2 if STATISTICS[name].circular else 1 for name in names)


def reading_of(read: Tensor, name: ControlName, names: Sequence[ControlName]) -> Tensor:
    """Take a statistic's coordinates out of those of several: (N, K) -> (N, 1 or 2)."""
    start = width(names[: names.index(name)])
    return read[:, start : start + width([name])]


class Modulation(nn.Module):
    """Scale and shift of a block's maps as a function of the targets; at first of no effect.

    Perez, Strub, de Vries, Dumoulin, Courville, "FiLM: visual reasoning with a general
    conditioning layer" (2018, arXiv 1709.07871).
    """

    def __init__(self, inputs: int, channels: int) -> None:
        """Build the two layers; weights are drawn by ``networks.initialize``."""
        super().__init__()
        self.inner = nn.Linear(inputs, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 2 * channels)

    def forward(self, maps: Tensor, given: Tensor) -> Tensor:
        """(N, C, H, W) maps and (N, K) float32 coordinates -> (N, C, H, W), of the maps' type."""
        # In bfloat16 a target would be rounded to 1 part in 256.
        with torch.autocast(maps.device.type, enabled=False):
            scale, shift = self.outer(nn.functional.silu(self.inner(given))).chunk(2, dim=1)
            by, to = (x.to(maps.dtype)[:, :, None, None] for x in (1 + scale, shift))
        modulated: Tensor = maps * by + to  # addcmul takes three times as long in bfloat16
        return modulated


def with_planes(picture: Tensor, given: Tensor) -> Tensor:
    """Put a constant plane of each coordinate (N, K) beside a picture: C channels become C + K."""
    planes = given[:, :, None, None].expand(-1, -1, *picture.shape[2:])
    return torch.cat([picture, planes], dim=1)
