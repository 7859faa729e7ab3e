"""The comparison that steering in training must stand: the same targets met after training."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gan.color import l_ab_to_rgb, rgb_to_l_ab
from gan.control import Control, ControlName
from gan.controls import STATISTICS, Statistic

ROUNDS = 3
"""Passes over several controls, each of which disturbs the others."""
HALVINGS = 12
TURNS = 16
SCALES = (0.0, *(1.4**k for k in range(-12, 13)))
"""Tried before bisection; at the largest nearly every pixel is at the gamut's rim."""
SHIFTS = tuple(k / 16 for k in range(-32, 33))


def recolour(l: Tensor, ab: Tensor, controls: Mapping[ControlName, Control]) -> Tensor:  # noqa: E741
    """Move each image's colours as a whole until its statistics are at their targets.

    Saturation, chroma and colourfulness scale ab, hue rotates it, and the others shift it in the
    direction in which they grow from grey: one number an image, found by trying many and bisecting
    between the two nearest to no change (hue: by turning by half of what is missing, again and
    again). Of a target that no number meets, the number that comes nearest is taken.

    Args:
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].
        controls: targets by name; weights do not matter.

    Returns:
        (N, 2, H, W): ab of sRGB colours.
    """
    for _ in range(ROUNDS if len(controls) > 1 else 1):
        for name, control in controls.items():
            statistic = STATISTICS[name]
            find = _turned if statistic.moves == "rotate" else _bisected
            # As shown: scaled again and again, colours far outside would lose their lightness.
            ab = rgb_to_l_ab(l_ab_to_rgb(l, find(statistic, l, ab, control.target)))[1]
    return ab


def _bisected(statistic: Statistic, l: Tensor, ab: Tensor, target: float) -> Tensor:  # noqa: E741
    scales = statistic.moves == "scale"
    direction = None if scales else _direction(statistic).to(ab)

    def moved(amount: Tensor) -> Tensor:
        amount = amount.view(-1, 1, 1, 1)
        return ab * amount if direction is None else ab + amount * direction

    def measured(amount: Tensor) -> Tensor:
        return statistic.measure(l_ab_to_rgb(l, moved(amount)))

    amounts = ab.new_tensor(SCALES if scales else SHIFTS)
    values = torch.stack([measured(amount.expand(len(ab))) for amount in amounts])
    short = values < target
    crossed = short[1:] != short[:-1]
    unmoved = (amounts - float(scales)).abs().argmin()
    away = (torch.arange(len(crossed), device=ab.device) + 0.5 - unmoved).abs()
    bracket = torch.where(crossed, away[:, None], torch.inf).argmin(dim=0)
    below, above = amounts[bracket], amounts[bracket + 1]
    short_below = short.gather(0, bracket[None])[0]
    for _ in range(HALVINGS):
        middle = (below + above) / 2
        same = (measured(middle) < target) == short_below
        below, above = torch.where(same, middle, below), torch.where(same, above, middle)
    nearest = amounts[(values - target).abs().argmin(dim=0)]
    return moved(torch.where(crossed.any(dim=0), (below + above) / 2, nearest))


def _turned(statistic: Statistic, l: Tensor, ab: Tensor, target: float) -> Tensor:  # noqa: E741
    best = ab
    best_error = statistic.distance(statistic.measure(l_ab_to_rgb(l, ab)), target)
    angle = torch.zeros_like(best_error)
    for _ in range(TURNS):
        turned = _rotate(ab, angle)
        value = statistic.measure(l_ab_to_rgb(l, turned))
        error = statistic.distance(value, target)
        better = error < best_error
        best = torch.where(better.view(-1, 1, 1, 1), turned, best)
        best_error = torch.minimum(error, best_error)
        # The whole of it would overshoot where the gamut turns hues faster than ab.
        angle = angle - statistic.difference(value, target) * math.pi
    return best


def _rotate(ab: Tensor, angle: Tensor) -> Tensor:
    a, b = ab.unbind(dim=1)
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return torch.stack([cos * a - sin * b, sin * a + cos * b], dim=1)


def _direction(statistic: Statistic) -> Tensor:
    """Unit vector in ab along which the statistic of a mid-grey picture grows: (1, 2, 1, 1)."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        ab = torch.zeros(1, 2, 1, 1).requires_grad_(True)
        value = statistic.measure(l_ab_to_rgb(torch.zeros(1, 1, 1, 1), ab))
        (gradient,) = torch.autograd.grad(value.sum(), ab)
    return nn.functional.normalize(gradient, dim=1)
