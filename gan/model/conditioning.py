"""Conditioning of networks on each picture's targets: coordinates, planes, modulations."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan.colour.statistic import Targets
from gan.colour.statistics import STATISTICS
from gan.control import Control, ControlName

HIDDEN = 32
"""Units of the hidden layer between targets and the scale and shift of a block's maps."""


def coordinates(targets: Targets, controls: dict[ControlName, Control]) -> Tensor:
    """Encode targets as network inputs.

    Hue becomes a point on the unit circle (two numbers), so that 0 and 1 are the same; any other
    statistic is scaled to [-1, 1] over the range drawn in training.

    Args:
        targets: (N,) by name, in the statistics' own units.
        controls: the controls to encode, in order, with the range of each.

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
    """Count the coordinates of the given statistics."""
    return sum(2 if STATISTICS[name].circular else 1 for name in names)


def reading_of(read: Tensor, name: ControlName, names: Sequence[ControlName]) -> Tensor:
    """Select one statistic's coordinates from those of several: (N, K) -> (N, 1 or 2)."""
    start = width(names[: names.index(name)])
    return read[:, start : start + width([name])]


class Modulation(nn.Module):
    """Scale and shift of a block's maps as a function of the targets; initially the identity.

    Perez, Strub, de Vries, Dumoulin, Courville, "FiLM: visual reasoning with a general
    conditioning layer" (2018, arXiv 1709.07871).
    """

    def __init__(self, inputs: int, channels: int) -> None:
        """Build the two layers; weights are drawn by ``networks.initialize``."""
        super().__init__()
        self.inner = nn.Linear(inputs, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 2 * channels)

    def forward(self, maps: Tensor, given: Tensor) -> Tensor:
        """Modulate maps (N, C, H, W), keeping their type, by float32 coordinates (N, K)."""
        # In bfloat16 a target would be rounded to 1 part in 256.
        with torch.autocast(maps.device.type, enabled=False):
            scale, shift = self.outer(nn.functional.silu(self.inner(given))).chunk(2, dim=1)
            by, to = (x.to(maps.dtype)[:, :, None, None] for x in (1 + scale, shift))
        modulated: Tensor = maps * by + to  # addcmul takes three times as long in bfloat16
        return modulated


def with_planes(picture: Tensor, given: Tensor) -> Tensor:
    """Append a constant plane per coordinate (N, K) to a picture: C channels become C + K."""
    planes = given[:, :, None, None].expand(-1, -1, *picture.shape[2:])
    return torch.cat([picture, planes], dim=1)
