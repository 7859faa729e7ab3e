"""The colour statistics that can be steered: definition, range, distance, what is reachable.

To add one, write its function and its line in ``STATISTICS``, and its name in
``config.ControlName``; loss, evaluation, tracking and report follow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from gan.color import rgb_to_l_ab
from gan.config import ControlName


@dataclass(frozen=True)
class Statistic:
    """A number in [0, 1] for each image, differentiable with respect to its pixels."""

    measure: Callable[[Tensor], Tensor]
    """rgb (N, 3, H, W) in [0, 1] -> (N,) in [0, 1]."""
    pixelwise: Callable[[Tensor], Tensor] | None
    """rgb (N, 3, H, W) -> (N, H, W), where the statistic is the mean of a value per pixel."""
    circular: bool = False
    """Whether 0 and 1 are the same."""

    def distance(self, value: Tensor, target: Tensor | float) -> Tensor:
        """|value - target|, at most 0.5 and around the circle where the statistic is circular."""
        difference = value - target
        if self.circular:
            difference = (difference + 0.5) % 1 - 0.5
        return difference.abs()

    def average(self, values: Tensor) -> float:
        """Mean of (N,) values; on the circle where the statistic is circular."""
        if not self.circular:
            return values.mean().item()
        angle = values * (2 * math.pi)
        return (torch.atan2(angle.sin().mean(), angle.cos().mean()) / (2 * math.pi) % 1).item()

    def reachable(self, l: Tensor, target: float) -> Tensor:  # noqa: E741
        """Nearest value to a target that any colouring of the given lightness can have.

        Args:
            l: (N, 1, H, W), scaled lightness in [-1, 1].
            target: in [0, 1].

        Returns:
            (N,): the target clamped to what the sRGB colours of each pixel's L allow. Any hue
            is reachable: some chroma of it exists at every L between black and white.
        """
        if self.pixelwise is None:
            return torch.full((l.shape[0],), target)
        low, high = _range_by_lightness(self.pixelwise)
        level = (l.detach().cpu().float() + 1) / 2 * (len(low) - 1)
        index = level.round().long().clamp(0, len(low) - 1)
        value = torch.full((l.shape[0],), target)
        return value.clamp(low[index].mean(dim=(1, 2, 3)), high[index].mean(dim=(1, 2, 3)))


def _mean_of(pixelwise: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda rgb: pixelwise(rgb).mean(dim=(1, 2))


def saturation_of_pixels(rgb: Tensor) -> Tensor:
    """HSV saturation, (max - min) / max, and 0 for black: (N, 3, H, W) -> (N, H, W)."""
    high, low = rgb.amax(dim=1), rgb.amin(dim=1)
    # Below a quarter of a shade of 8 bits nothing is seen, and the gradient would explode.
    return (high - low) / high.clamp(min=1e-3)


def hue_vector(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over each image of the hue plane's coordinates alpha (red) and beta: (N,), (N,).

    alpha = R - (G + B)/2, beta = sqrt(3)/2 (G - B): Hanbury, "Circular statistics applied to
    colour images" (2003). Linear in RGB, hence smooth at grey, and weighted by chroma.
    """
    r, g, b = rgb.mean(dim=(2, 3)).unbind(dim=1)
    return r - (g + b) / 2, math.sqrt(3) / 2 * (g - b)


def mean_hue(rgb: Tensor) -> Tensor:
    """Circular mean hue in turns, weighted by chroma: (N, 3, H, W) -> (N,) in [0, 1)."""
    alpha, beta = hue_vector(rgb)
    # A grey image has no hue; atan2's gradient at the origin would be NaN.
    alpha = torch.where(alpha.abs() + beta.abs() < 1e-8, alpha + 1e-8, alpha)
    hue = torch.atan2(beta, alpha) / (2 * math.pi) % 1
    # Towards grey d(hue)/d(rgb) grows as 1/chroma: one white crop would drown its batch.
    share = (torch.hypot(alpha, beta).detach() / 0.01).clamp(max=1)
    return share * hue + (1 - share) * hue.detach()


def _channel(index: int) -> Callable[[Tensor], Tensor]:
    return lambda rgb: rgb[:, index]


_red, _green, _blue = (_channel(i) for i in range(3))

STATISTICS: dict[ControlName, Statistic] = {
    "saturation": Statistic(_mean_of(saturation_of_pixels), saturation_of_pixels),
    "hue": Statistic(mean_hue, None, circular=True),
    "red": Statistic(_mean_of(_red), _red),
    "green": Statistic(_mean_of(_green), _green),
    "blue": Statistic(_mean_of(_blue), _blue),
}


@cache
def _range_by_lightness(pixelwise: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of a pixel at L* = 0, 0.5, ..., 100 over all of sRGB.

    The extremes of a colour statistic at constant L are on the surface of the RGB cube, or grey.
    """
    u, v = torch.cartesian_prod(*[torch.linspace(0, 1, 513)] * 2).T
    faces = [
        torch.stack([u, v, torch.full_like(u, side)]).roll(axis, dims=0)
        for side in (0.0, 1.0)
        for axis in range(3)
    ]
    greys = torch.linspace(0, 1, 4097).expand(3, -1)
    rgb = torch.cat([*faces, greys], dim=1).view(1, 3, 1, -1)
    values = pixelwise(rgb).flatten()
    index = ((rgb_to_l_ab(rgb)[0].flatten() + 1) * 100).round().long().clamp(0, 200)
    low = torch.full((201,), math.inf).scatter_reduce(0, index, values, "amin")
    high = torch.full((201,), -math.inf).scatter_reduce(0, index, values, "amax")
    return low, high
