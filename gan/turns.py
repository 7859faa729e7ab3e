"""Turns of a picture's colours by one angle, which its mean hue follows around the circle."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan.color import luminance, rgb_to_l_ab, tinted
from gan.controls import Statistic, hue_vector
from gan.paths import rotated, strided

ANGLES = 16
"""Tried around the circle, before one is bisected."""
TINTS = (0.0, 0.02, 0.06, 0.2, 0.6)
"""Scaled chroma of the wanted hue that is added where no turn gets there, the first that helps: to
grey pictures, which have no hue, and to those whose hues cancel."""
FAINT = 0.003
"""Length of the mean hue vector, less than a shade of 8 bits, below which a hue is not seen."""


@dataclass(frozen=True, eq=False)
class Turn:
    """Colours of N pictures as a function of an angle and of a tint that is added before."""

    luminance: Tensor
    """(N, 1, H, W), Y in [0, 1]."""
    ab: Tensor
    """(N, 2, H, W), scaled."""
    hue: Tensor
    """Direction of the tint, (N, 2, 1, 1) of length 1."""

    def at(self, tint: Tensor, angle: Tensor) -> Tensor:
        """Return ab, (N, 2, H, W), with tints (N,) and turned by radians (N,)."""
        tinged = torch.addcmul(self.ab, tint.view(-1, 1, 1, 1), self.hue)
        return rotated(tinged, angle.view(-1, 1, 1, 1))

    def shown(self, tint: Tensor, angle: Tensor) -> Tensor:
        """Return that as sRGB, (N, 3, H, W) in [0, 1]."""
        return tinted(self.luminance, self.at(tint, angle))

    def sparse(self, pixels: int) -> "Turn":
        """Return the turn of every n-th pixel of every n-th row, about so many."""
        return Turn(strided(self.luminance, pixels), strided(self.ab, pixels), self.hue)


def turn(l: Tensor, ab: Tensor, target: Tensor) -> Turn:  # noqa: E741
    """Return the turn of L (N, 1, H, W) and ab (N, 2, H, W) towards hues (N,) in turns."""
    angle = 2 * math.pi * target.view(-1, 1, 1, 1)
    thirds = (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
    rgb = torch.cat([0.5 + 0.2 * (angle - third).cos() for third in thirds], dim=1)
    return Turn(luminance(l), ab, normalize(rgb_to_l_ab(rgb)[1], dim=1))


@dataclass(frozen=True, eq=False)
class Crossing:
    """Angles between which each picture's hue passes its target."""

    tint: Tensor
    """(N,), added before."""
    low: Tensor
    """(N,), radians."""
    high: Tensor
    """(N,), radians."""
    sign: Tensor
    """(N,): 1 where the hue grows with the angle, else -1."""

    def error(self, statistic: Statistic, target: Tensor, turn: Turn, angle: Tensor) -> Tensor:
        """Return by how much the hue at angles (N,) has passed its target, in turns: (N,)."""
        value = statistic.measure(turn.shown(self.tint, angle))
        return self.sign * statistic.difference(value, target)


def crossing(statistic: Statistic, turn: Turn, target: Tensor) -> Crossing:
    """Find the crossing of hues (N,) that needs the least tint, and of those the least angle."""
    step, one = 2 * math.pi / ANGLES, torch.ones_like(target)
    best, tint, low, sign = math.inf * one, TINTS[-1] * one, -step / 2 * one, one
    for n, added in enumerate(TINTS):
        before, seen_before = target, target > math.inf
        for k in range(ANGLES + 1):
            angle = k * step - math.pi
            rgb = turn.shown(added * one, angle * one)
            difference = statistic.difference(statistic.measure(rgb), target)
            # Half the circle away the difference changes its sign too.
            seen = (torch.hypot(*hue_vector(rgb)) > FAINT) & (difference.abs() < 0.25)
            crossed = seen & seen_before & ((difference < 0) != (before < 0))
            cost = 10 * n + abs(angle - step / 2)
            better = crossed & (cost < best)
            best = torch.where(better, cost, best)
            tint = torch.where(better, added, tint)
            low = torch.where(better, angle - step, low)
            sign = torch.where(better, torch.where(difference < 0, -1.0, 1.0), sign)
            before, seen_before = difference, seen
    return Crossing(tint, low, low + step, sign)
