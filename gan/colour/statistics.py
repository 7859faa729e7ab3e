"""Colour statistics that can be steered: definition, range, distance, reachable values.

To add one, write its function and its line in ``STATISTICS``, its name and bounds in ``control``
and its symbol in ``reports.rows``; loss, evaluation, recolouring and tracking need no change.

Value, brightness and lightness are not controls: the generator takes L as input and keeps it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from kornia.color import linear_rgb_to_rgb
from torch import Tensor

from gan.colour.conversion import AB_SCALE, LUMINANCE, rgb_to_l_ab
from gan.control import TARGETS, ControlName

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
    circular: bool = False
    """Whether 0 and 1 are the same value."""
    of_mean: Callable[[Tensor], Tensor] = lambda mean: mean
    """Function from the mean of ``per_pixel``'s bounds to the statistic's bound."""

    @property
    def span(self) -> float:
        """Width of the range of targets, which counts as a difference of 1 in the loss."""
        low, high = TARGETS[self.name]
        return high - low

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
            target: in the range of ``control.TARGETS``.

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


def saturation_of_pixels(rgb: Tensor) -> Tensor:
    """Return HSV saturation, (max - min) / max, 0 for black: (N, 3, H, W) -> (N, H, W)."""
    r, g, b = rgb.unbind(dim=1)
    # Of equal channels the first counts as highest and the last as lowest: an exactly grey pixel
    # then has a gradient (towards red) and can regain colour. With amax it would be zero.
    high = torch.where(r >= g, torch.where(r >= b, r, b), torch.where(g >= b, g, b))
    low = torch.where(b <= g, torch.where(b <= r, b, r), torch.where(g <= r, g, r))
    # Below a quarter of an 8-bit level nothing is visible, and the gradient would explode.
    return (high - low) / high.clamp(min=1e-3)


def hue_vector(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image's mean coordinates in the hue plane, alpha (red) and beta: (N,), (N,).

    alpha = R - (G + B)/2, beta = sqrt(3)/2 (G - B): Hanbury, "Circular statistics applied to
    colour images" (2003). Both are linear in RGB, hence smooth at grey, and weighted by chroma.
    """
    r, g, b = rgb.mean(dim=(2, 3)).unbind(dim=1)
    return r - (g + b) / 2, math.sqrt(3) / 2 * (g - b)


def hue_resultant(rgb: Tensor) -> Tensor:
    """Measure the agreement in hue of each image's pixels: resultant length, weighted by chroma.

    R is the length of the sum of the pixels' hue vectors (``hue_vector``), divided by the sum of
    their lengths: Hanbury, "Circular statistics applied to colour images" (2003). Where R is
    small, the mean hue says little.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        (N,) in [0, 1]: 1 for one hue, 0 for hues that cancel and for a grey image.
    """
    r, g, b = rgb.unbind(dim=1)
    alpha, beta = r - (g + b) / 2, math.sqrt(3) / 2 * (g - b)
    chroma = torch.hypot(alpha, beta)
    # Less than half an 8-bit level is displayed as grey; grey from Lab has a tint of 2e-4.
    seen = chroma > 0.5 / 255
    along, across, total = ((x * seen).sum(dim=(1, 2)) for x in (alpha, beta, chroma))
    # Rounding can take R above 1.
    return (torch.hypot(along, across) / total.clamp(min=1e-12)).clamp(max=1)


def mean_hue(rgb: Tensor) -> Tensor:
    """Return the circular mean hue in turns, weighted by chroma: (N, 3, H, W) -> (N,) in [0, 1)."""
    alpha, beta = hue_vector(rgb)
    # A grey image has no hue; atan2's gradient at the origin would be NaN.
    alpha = torch.where(alpha.abs() + beta.abs() < 1e-8, alpha + 1e-8, alpha)
    hue = torch.atan2(beta, alpha) / (2 * math.pi) % 1
    # Towards grey d(hue)/d(rgb) grows as 1/chroma: one white crop would dominate its batch.
    share = (torch.hypot(alpha, beta).detach() / 0.01).clamp(max=1)
    return share * hue + (1 - share) * hue.detach()


def chroma_of_pixels(rgb: Tensor) -> Tensor:
    """Return CIELAB's C*ab = sqrt(a*^2 + b*^2) (CIE 15): (N, 3, H, W) -> (N, H, W)."""
    a, b = _ab(rgb)
    return torch.hypot(a + 1e-6, b)  # at exact grey the gradient points to +a


def warmth_of_pixels(rgb: Tensor) -> Tensor:
    """Return warm-cool, -0.5 + 0.02 C*^1.07 cos(h - 50 deg): (N, 3, H, W) -> (N, H, W).

    Ou, Luo, Woodcock, Wright, "A study of colour emotion and colour preference, Part I" (2004),
    fitted to observers' judgements of single colours. Grey is -0.5, orange the warmest.
    """
    a, b = _ab(rgb)
    along = a * math.cos(math.radians(50)) + b * math.sin(math.radians(50))
    return -0.5 + 0.02 * (a**2 + b**2 + 1e-6) ** 0.035 * along


def colourfulness(rgb: Tensor) -> Tensor:
    """Return M of Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003).

    sqrt(var rg + var yb) + 0.3 sqrt((mean rg)^2 + (mean yb)^2) with rg = R - G and
    yb = (R + G)/2 - B in units of 0..255. 15 is slightly, 45 averagely, 82 highly colourful.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        (N,).
    """
    opponent = _opponent(rgb).flatten(2)
    deviation = (opponent.var(dim=2, correction=0).sum(dim=1) + 1e-6).sqrt()
    red_green, yellow_blue = opponent.mean(dim=2).unbind(dim=1)
    return deviation + 0.3 * torch.hypot(red_green + 1e-6, yellow_blue)


def _opponent(rgb: Tensor) -> Tensor:
    r, g, b = (rgb * 255).unbind(dim=1)
    return torch.stack([r - g, (r + g) / 2 - b], dim=1)


def _ab(rgb: Tensor) -> tuple[Tensor, Tensor]:
    a, b = (rgb_to_l_ab(rgb)[1] * AB_SCALE).unbind(dim=1)
    return a, b


def _mean(
    name: ControlName,
    per_pixel: Callable[[Tensor], Tensor],
    moves: Literal["scale", "shift"],
) -> Statistic:
    return Statistic(name, lambda rgb: per_pixel(rgb).mean(dim=(1, 2)), per_pixel, moves)


STATISTICS: dict[ControlName, Statistic] = {
    statistic.name: statistic
    for statistic in (
        _mean("saturation", saturation_of_pixels, "scale"),
        Statistic("hue", mean_hue, None, "rotate", circular=True),
        _mean("red", lambda rgb: rgb[:, 0], "shift"),
        _mean("green", lambda rgb: rgb[:, 1], "shift"),
        _mean("blue", lambda rgb: rgb[:, 2], "shift"),
        _mean("chroma", chroma_of_pixels, "scale"),
        _mean("a", lambda rgb: _ab(rgb)[0], "shift"),
        _mean("b", lambda rgb: _ab(rgb)[1], "shift"),
        _mean("warmth", warmth_of_pixels, "shift"),
        Statistic(
            "colourfulness",
            colourfulness,
            lambda rgb: _opponent(rgb).square().sum(dim=1),
            "scale",
            # At a given mean square, deviation + 0.3 |mean| is largest at |mean| = 0.3 deviation.
            of_mean=lambda square: (1.09 * square).sqrt(),
        ),
    )
}


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
