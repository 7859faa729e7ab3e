"""Turns: rotations of a picture's colours by one angle, which its mean hue follows."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan.colour.colour_paths import rotated, strided, unit
from gan.colour.conversion import luminance, rgb_to_l_ab, tinted
from gan.colour.statistic import Statistic
from gan.colour.statistics.hue import hue_resultant

ANGLES = 16
"""Angles tried around the circle, before the bisection between two of them."""
TINTS = (0.0, 0.02, 0.06, 0.2, 0.6)
"""Scaled chroma of the target hue, the first that helps, added to pictures that no turn takes to
the target: grey ones, which have no hue, and those whose hues cancel."""
UNITED = 0.2
"""Resultant length (``hue_resultant``) below which hues count as cancelling: a sample of the pixels
then says little about the others. At 0.1 hues were missed by up to 0.18, at 0.2 by 0.006."""


@dataclass(frozen=True, eq=False)
class Turn:
    """Colours of N pictures as a function of a tint and of the angle that they then turn by."""

    luminance: Tensor
    """(N, 1, H, W), Y in [0, 1]."""
    ab: Tensor
    """(N, 2, H, W), scaled."""
    hue: Tensor
    """Direction of the tint, (N, 2, 1, 1) of length 1."""

    def at(self, tint: Tensor, angle: Tensor) -> Tensor:
        """Return ab (N, 2, H, W) with tints (N,) added, then turned by angles (N,) in radians."""
        tinged = torch.addcmul(self.ab, tint.view(-1, 1, 1, 1), self.hue)
        return rotated(tinged, angle.view(-1, 1, 1, 1))

    def shown(self, tint: Tensor, angle: Tensor) -> Tensor:
        """Return the colours of ``at`` as sRGB, (N, 3, H, W) in [0, 1]."""
        return tinted(self.luminance, self.at(tint, angle))

    def repeated(self, times: int) -> "Turn":
        """Return the turn of the whole sequence of pictures, repeated ``times`` times."""
        parts = (x.repeat(times, 1, 1, 1) for x in (self.luminance, self.ab, self.hue))
        return Turn(*parts)

    def sparse(self, pixels: int) -> "Turn":
        """Return the turn of every n-th pixel of every n-th row, about ``pixels`` per picture."""
        return Turn(strided(self.luminance, pixels), strided(self.ab, pixels), self.hue)


def turn(l: Tensor, ab: Tensor, target: Tensor) -> Turn:  # noqa: E741
    """Return the turn of L (N, 1, H, W) and ab (N, 2, H, W) to hues (N,) in [0, 1)."""
    angle = 2 * math.pi * target.view(-1, 1, 1, 1)
    thirds = (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
    rgb = torch.cat([0.5 + 0.2 * (angle - third).cos() for third in thirds], dim=1)
    return Turn(luminance(l), ab, unit(rgb_to_l_ab(rgb)[1]))


@dataclass(frozen=True, eq=False)
class Crossing:
    """Angles between which each picture's hue passes its target."""

    tint: Tensor
    """(N,), added before the turn."""
    low: Tensor
    """(N,), radians."""
    high: Tensor
    """(N,), radians."""
    sign: Tensor
    """(N,): 1 where the hue grows with the angle, else -1."""

    def error(self, statistic: Statistic, target: Tensor, turn: Turn, angle: Tensor) -> Tensor:
        """Return by how much the hue at angles (N,) has passed its target, in full turns: (N,)."""
        value = statistic.measure(turn.shown(self.tint, angle))
        return self.sign * statistic.difference(value, target)

    def repeated(self, times: int) -> "Crossing":
        """Return the crossings of the whole sequence of pictures, repeated ``times`` times."""
        parts = (self.tint, self.low, self.high, self.sign)
        return Crossing(*(x.repeat(times) for x in parts))


def crossing(statistic: Statistic, turn: Turn, target: Tensor) -> Crossing:
    """Find the crossing of target hues (N,) with the least tint, and then with the least angle."""
    device, count = target.device, len(target)
    step = 2 * math.pi / ANGLES
    angles = (torch.arange(ANGLES + 1, device=device) - ANGLES / 2) * step
    around = turn.repeated(ANGLES + 1)
    crossed, ahead = [], []
    for tint in TINTS:
        added = torch.full((around.luminance.shape[0],), tint, device=device)
        rgb = around.shown(added, angles[:, None].expand(-1, count).reshape(-1))
        value = statistic.measure(rgb).view(-1, count)
        difference = statistic.difference(value, target)
        # Half a circle away from the target the difference changes its sign too.
        seen = hue_resultant(rgb).view(-1, count) > UNITED
        seen = seen & (difference.abs() < 0.25)
        past = difference >= 0
        crossed.append(seen[1:] & seen[:-1] & (past[1:] != past[:-1]))
        ahead.append(past[1:])
    # Only pictures of pure black and white have no crossing; any angle will do for them.
    crossed[-1][ANGLES // 2] = True
    order = (angles[:-1] + step / 2).abs()[:, None].expand(-1, count)
    # 10 exceeds every angle: less tint always comes first.
    cost = [order.masked_fill(~found, math.inf) + 10 * n for n, found in enumerate(crossed)]
    place = torch.cat(cost).argmin(dim=0)
    tints = [(place // ANGLES == n) * tint for n, tint in enumerate(TINTS)]
    low = (place % ANGLES - ANGLES / 2) * step
    sign = torch.cat(ahead).gather(0, place[None])[0] * 2.0 - 1
    return Crossing(torch.stack(tints).sum(dim=0), low, low + step, sign)
