"""Paths of a picture's colours to the extreme of a statistic that its lightness allows.

A path starts at the unchanged picture. On its first half all colours grow, fade or shift together,
until each pixel is at the gamut's rim (or grey). On its second half the pixels whose hue does not
permit the extreme turn to the nearest hue that does. The statistic changes continuously along the
path and ends at its reachable extreme, so that every value in between is met on the way.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gan.colour.conversion import l_ab_to_rgb, luminance, tinted
from gan.colour.statistic import Statistic
from gan.colour.statistics import STATISTICS
from gan.control import ControlName

RIM = 1.25
"""Scaled chroma that is outside sRGB at every lightness and hue."""
GROWTH = 1000.0
"""Factor of chroma at the end of a path's first half."""
PUSH = 0.01
"""Scaled chroma, one unit of Lab, in the hue of the surroundings, that growing colours receive:
grey pixels have no hue, and the hue of nearly grey ones is 8-bit noise. With it neighbours differ
by 4 % less, and hues of CIFAR-10 at a saturation of 0.25 by 0.2 degrees."""
AROUND = 0.125
"""Radius of the surroundings, as a share of the picture's side."""
SMOOTHED = 256
"""Largest side of a picture at which the surroundings are computed."""
SHIFT = 2.5
"""Scaled shift that moves any sRGB colour out of the gamut."""
LEVELS, ANGLES = 501, 720
"""Size of the tables of hues: lightness 0 to 100, Lab hue 0 to 360 degrees."""
END = 2.0
"""Place at which a path ends; its first half ends at 1."""
NEARLY = 0.003
"""Share of a pixel's range by which it may miss its extreme."""


@dataclass(frozen=True, eq=False)
class ColourPath:
    """Colours of N pictures as a function of each picture's progress along the path."""

    statistic: Statistic
    up: Tensor
    """(N, 1, 1, 1): whether the statistic is to grow."""
    luminance: Tensor
    """(N, 1, H, W), Y in [0, 1]."""
    ab: Tensor
    """(N, 2, H, W), scaled: start of the path."""
    push: Tensor
    """Addition to ab on the first half, (N, 2, H, W) or (N, 2, 1, 1)."""
    turn: Tensor
    """Rotation of Lab's hue on the second half, in radians: (N, 1, H, W)."""

    def at(self, way: Tensor) -> Tensor:
        """Return ab (N, 2, H, W) at progress ``way`` (N,) in [0, 2]; chroma is at most ``RIM``."""
        way = way.view(-1, 1, 1, 1)
        first, second = way.clamp(max=1), (way - 1).clamp(min=0)
        if self.statistic.moves == "scale":
            factor = torch.where(self.up, (math.log(GROWTH) * first).exp(), 1 - first)
            moved = torch.addcmul(self.ab * factor, (factor - 1).clamp(min=0), self.push)
        else:
            moved = torch.addcmul(self.ab, SHIFT * first, self.push)
        return rotated(_inside_rim(moved), second * self.turn)

    def short_of(self, target: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the error as a function of ``way`` (N,): negative where a target (N,) is ahead."""

        def error(way: Tensor) -> Tensor:
            value = self.statistic.measure(tinted(self.luminance, self.at(way)))
            return torch.where(self.up.view(-1), value - target, target - value)

        return error

    def repeated(self, times: int) -> "ColourPath":
        """Return the path of the whole sequence of pictures, repeated ``times`` times."""
        parts = (self.up, self.luminance, self.ab, self.push, self.turn)
        return ColourPath(self.statistic, *(x.repeat(times, 1, 1, 1) for x in parts))

    def sparse(self, pixels: int) -> "ColourPath":
        """Return the path of every n-th pixel of every n-th row, about ``pixels`` per picture."""
        push = strided(self.push, pixels) if self.statistic.moves == "scale" else self.push
        luminance, ab, turn = (strided(x, pixels) for x in (self.luminance, self.ab, self.turn))
        return ColourPath(self.statistic, self.up, luminance, ab, push, turn)


def path(statistic: Statistic, l: Tensor, ab: Tensor, target: Tensor) -> ColourPath:  # noqa: E741
    """Return the path to a statistic's maximum or minimum, whichever lies beyond the target.

    Args:
        statistic: a statistic that is not circular.
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].
        target: (N,); a path leads to the maximum if its target exceeds the picture's value.
    """
    push = PUSH * _surroundings(ab) if statistic.moves == "scale" else None
    return path_to(statistic, l, ab, leads_up(statistic, l, ab, target), push)


def leads_up(statistic: Statistic, l: Tensor, ab: Tensor, target: Tensor) -> Tensor:  # noqa: E741
    """Return whether the path to a target leads to the statistic's maximum: (N, 1, 1, 1)."""
    return (statistic.measure(tinted(luminance(l), ab)) < target).view(-1, 1, 1, 1)


def path_to(
    statistic: Statistic,
    l: Tensor,  # noqa: E741
    ab: Tensor,
    up: Tensor,
    push: Tensor | None = None,
) -> ColourPath:
    """Return the path to a statistic's maximum where ``up``, else to its minimum.

    Pixels move independently: the path of a part of a picture is a part of the picture's path.

    Args:
        statistic: a statistic that is not circular.
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].
        up: (N, 1, 1, 1), bool.
        push: addition to growing colours, (N, 2, H, W); none by default.
    """
    if statistic.moves == "scale":
        push = torch.zeros_like(ab) if push is None else push
        end = torch.add(ab, push)
    else:
        push = (up * 2.0 - 1) * _direction(statistic.name, ab.device)
        end = torch.add(ab, push, alpha=SHIFT)
    return ColourPath(statistic, up, luminance(l), ab, push, _turn(statistic, l, end, up))


def rotated(ab: Tensor, angle: Tensor) -> Tensor:
    """Rotate ab (N, 2, H, W) by radians (N, 1, H, W) or (N, 1, 1, 1)."""
    a, b = ab.chunk(2, dim=1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos * a - sin * b, sin * a + cos * b], dim=1)


def unit(ab: Tensor) -> Tensor:
    """Scale each vector of ab (N, 2, H, W) to length 1."""
    return ab * (ab * ab).sum(dim=1, keepdim=True).clamp(min=1e-24).rsqrt()


def strided(x: Tensor, pixels: int) -> Tensor:
    """Return every n-th pixel of every n-th row of (N, C, H, W), about ``pixels`` per picture."""
    height, width = x.shape[2:]
    step = max(1, round(math.sqrt(height * width / pixels)))
    down, right = (min(step // 2, side - 1) for side in (height, width))
    return x[:, :, down::step, right::step]


def _inside_rim(ab: Tensor) -> Tensor:
    square = (ab * ab).sum(dim=1, keepdim=True)
    return ab * (RIM * square.clamp(min=RIM**2).rsqrt())


def _surroundings(ab: Tensor) -> Tensor:
    """Return the direction of the colours around each pixel: (N, 2, H, W) of length 1.

    Grey surroundings take the whole picture's direction, and a grey picture takes a warm one.
    """
    warm = _direction("warmth", ab.device)
    whole = unit(ab.mean(dim=(2, 3), keepdim=True) + 1e-5 * warm)
    few = ab if max(ab.shape[2:]) <= SMOOTHED else _reduced(ab)
    down, right = (_smoothing(side, ab.device) for side in few.shape[2:])
    around = down @ few @ right.T
    if few is not ab:
        around = interpolate(around, ab.shape[2:], mode="bilinear")
    return unit(around + 1e-3 * whole)


def _reduced(ab: Tensor) -> Tensor:
    sides = [min(side, SMOOTHED) for side in ab.shape[2:]]
    return interpolate(ab, sides, mode="area")


@cache
def _smoothing(side: int, device: torch.device) -> Tensor:
    """Return weights (side, side) of the pixels of a row or column around each of them."""
    with torch.inference_mode(mode=False):
        place = torch.arange(side, device=device)
        weights = (1 - (place[:, None] - place).abs() / (AROUND * side)).clamp(min=0)
        return weights / weights.sum(dim=1, keepdim=True)


def _turn(statistic: Statistic, l: Tensor, end: Tensor, up: Tensor) -> Tensor:  # noqa: E741
    """Return the angle to the nearest hue that permits the extreme: (N, 1, H, W)."""
    a, b = end.chunk(2, dim=1)
    place = torch.atan2(b, a) * (ANGLES / (2 * math.pi))
    column = place.round()
    row = ((l + 1) * ((LEVELS - 1) / 2)).round().clamp(0, LEVELS - 1)
    at = (row * ANGLES + column % ANGLES).long()
    steps = _steps_to_extreme(statistic.name, l.device).view(2, -1)
    found = torch.where(up, steps[1][at], steps[0][at])
    # A pixel that moves starts from its own angle, not from the table's.
    found = found + (column - place) * found.abs().clamp(max=1)
    return found * (2 * math.pi / ANGLES)


@cache
def _steps_to_extreme(name: ControlName, device: torch.device) -> Tensor:
    """Count the table's steps from each hue at the rim to the nearest that permits the extreme.

    Returns:
        (2, LEVELS, ANGLES): to the minimum and to the maximum of a pixel's value.
    """
    per_pixel = STATISTICS[name].per_pixel
    assert per_pixel is not None, "a circular statistic has no extremes"
    with torch.inference_mode(mode=False):
        angle = torch.arange(ANGLES) * (2 * math.pi / ANGLES)
        rim = RIM * torch.stack([angle.cos(), angle.sin()])[None, :, None]
        levels = torch.linspace(-1, 1, LEVELS).view(1, 1, -1, 1)
        # A hundred levels at a time: all at once would set the peak of a training's memory.
        values = torch.cat(
            [
                per_pixel(
                    tinted(
                        luminance(part.expand(-1, -1, -1, ANGLES)),
                        rim.expand(-1, -1, part.shape[2], -1),
                    )
                )[0]
                for part in torch.split(levels, 100, dim=2)
            ]
        )
        least, greatest = values.aminmax(dim=1, keepdim=True)
        slack = NEARLY * (greatest - least)
        allowed = torch.stack([values <= least + slack, values >= greatest - slack])
        return _steps_to_nearest(allowed).to(device)


def _steps_to_nearest(allowed: Tensor) -> Tensor:
    """Count signed steps along the last, circular dimension to the nearest True; 0 at a True."""
    count = allowed.shape[-1]
    # Three copies side by side let the middle one look around the circle both ways.
    index = torch.arange(3 * count, dtype=torch.float32)
    thrice = allowed.repeat(*[1] * (allowed.dim() - 1), 3)
    after = torch.where(thrice, index, torch.inf).flip(-1).cummin(-1).values.flip(-1) - index
    before = index - torch.where(thrice, index, -torch.inf).cummax(-1).values
    middle = slice(count, 2 * count)
    after, before = after[..., middle], before[..., middle]
    return torch.where(after <= before, after, -before)


@cache
def _direction(name: ControlName, device: torch.device) -> Tensor:
    """Return the unit vector in ab along which mid-grey's statistic grows: (1, 2, 1, 1)."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        ab = torch.zeros(1, 2, 1, 1).requires_grad_(True)
        value = STATISTICS[name].measure(l_ab_to_rgb(torch.zeros(1, 1, 1, 1), ab))
        (gradient,) = torch.autograd.grad(value.sum(), ab)
    return unit(gradient).to(device)
