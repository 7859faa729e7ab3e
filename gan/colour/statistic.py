"""Colour statistic: definition, range, distance, and the values that a lightness allows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from gan.colour.conversion import AB_SCALE, LUMINANCE, linear_rgb_to_rgb, rgb_to_l_ab
from gan.control import CIRCULAR, TARGET_RANGES, ControlName

Targets = Mapping[ControlName, Tensor]
"""Target of each picture, (N,), by statistic, in the statistic's own unit."""

LEVELS = 1001
"""Lightnesses at which the range of a statistic is tabulated: L* = 0, 0.1, ..., 100."""


@dataclass(frozen=True)
class Statistic:
    """Number measured on each image, differentiable with respect to its pixels."""

    name: ControlName
    measure: Callable[[Tensor], Tensor]
    """Function of rgb (N, 3, H, W) in [0, 1] that returns (N,)."""
    per_pixel: Callable[[Tensor], Tensor] | None
    """Function of rgb (N, 3, H, W) to (N, H, W), whose mean bounds the statistic at a given L."""
    moves: Literal["scale", "rotate", "shift"]
    """Operation on ab that changes the statistic most directly, after training."""
    of_mean: Callable[[Tensor], Tensor] = lambda mean: mean
    """Function from the mean of ``per_pixel``'s bounds to the statistic's bound."""

    @property
    def span(self) -> float:
        """Width of the range of targets, which counts as a difference of 1 in the loss."""
        low, high = TARGET_RANGES[self.name]
        return high - low

    @property
    def circular(self) -> bool:
        """Whether 0 and 1 are the same value."""
        return self.name in CIRCULAR

    def difference(self, value: Tensor, target: Tensor | float) -> Tensor:
        """Return value - target; for a circular statistic, the shorter way round the circle."""
        difference = value - target
        return (difference + 0.5) % 1 - 0.5 if self.circular else difference

    def distance(self, value: Tensor, target: Tensor | float) -> Tensor:
        """Return |value - target|; for a circular statistic, round the circle and at most 0.5."""
        return self.difference(value, target).abs()

    def average(self, values: Tensor) -> float:
        """Return the mean of (N,) values; for a circular statistic, the circular mean."""
        if not self.circular:
            return values.mean().item()
        angle = values * (2 * math.pi)
        return (torch.atan2(angle.sin().mean(), angle.cos().mean()) / (2 * math.pi) % 1).item()

    def reachable(self, l: Tensor, target: float) -> Tensor:  # noqa: E741
        """Return the value nearest to a target that any colouring of a lightness can have.

        Args:
            l: (N, 1, H, W), scaled lightness in [-1, 1].
            target: in the range of ``control.TARGET_RANGES``.

        Returns:
            (N,): the target clamped to the range that sRGB allows at each pixel's L. Every hue
            is reachable: it exists with some chroma at every L between black and white. For
            colourfulness the upper end is a bound that few images attain.
        """
        value = torch.full((l.shape[0],), float(target), device=l.device)
        if self.per_pixel is None:
            return value
        level = ((l.detach().float() + 1) / 2 * (LEVELS - 1)).clamp(0, LEVELS - 1)
        below = level.long().clamp(max=LEVELS - 2)
        low, high = (
            self.of_mean(torch.lerp(t[below], t[below + 1], level - below).mean(dim=(1, 2, 3)))
            for t in (table.to(l.device) for table in _range_by_lightness(self.per_pixel))
        )
        return value.clamp(low, high)


def mean_of(
    name: ControlName,
    per_pixel: Callable[[Tensor], Tensor],
    moves: Literal["scale", "shift"],
) -> Statistic:
    """Return the statistic that is the mean of a number of each pixel."""
    return Statistic(name, lambda rgb: per_pixel(rgb).mean(dim=(1, 2)), per_pixel, moves)


def a_b(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return a* and b* of CIELAB: (N, 3, H, W) -> (N, H, W) each."""
    a, b = (rgb_to_l_ab(rgb)[1] * AB_SCALE).unbind(dim=1)
    return a, b


def of_each(targets: Mapping[ControlName, float], images: Tensor) -> Targets:
    """Repeat the same targets for each of the images (n, ...): (n,) by name, on their device."""
    return {name: images.new_full((len(images),), value) for name, value in targets.items()}


@cache
def _range_by_lightness(per_pixel: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return a pixel's smallest and largest value in sRGB at each of ``LEVELS`` lightnesses.

    At constant luminance, linear sRGB is a convex polygon around its grey. The statistics are
    monotonic along every ray from the grey, so their extremes are at the rim or at the grey.
    """
    l = torch.linspace(0, 100, LEVELS)  # noqa: E741
    f = (l + 16) / 116
    grey = torch.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)).clamp(0, 1)
    angle = torch.linspace(0, 2 * math.pi, 1801)
    red, blue = angle.cos(), angle.sin()
    green = -(LUMINANCE[0] * red + LUMINANCE[2] * blue) / LUMINANCE[1]
    direction = torch.stack([red, green, blue])[:, None, :]
    room = torch.where(direction > 0, 1 - grey[:, None], grey[:, None])
    t = (room / direction.abs().clamp(min=1e-9)).amin(dim=0)
    rim = (grey[:, None] + t * direction).clamp(0, 1)
    colours = torch.cat([rim, grey.expand(3, -1)[:, :, None]], dim=2)
    # A hundred levels at a time: all at once would set the peak of a training's memory.
    values = [
        per_pixel(linear_rgb_to_rgb(part[None]))[0] for part in torch.split(colours, 100, dim=1)
    ]
    return (
        torch.cat([value.amin(dim=1) for value in values]),
        torch.cat([value.amax(dim=1) for value in values]),
    )
