"""The comparison that steering in training must stand: the same targets met after training."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gan.color import l_ab_to_rgb
from gan.config import Control, ControlName
from gan.controls import STATISTICS, Statistic

ROUNDS = 3
"""Passes over several controls, each of which disturbs the others."""
HALVINGS = 16
TURNS = 12
MAX_SCALE = 64.0
MAX_SHIFT = 2.0
"""Farther than any ab is from grey: beyond it every pixel is at the gamut's rim."""


def recolour(l: Tensor, ab: Tensor, controls: Mapping[ControlName, Control]) -> Tensor:  # noqa: E741
    """Move each image's colours as a whole until its statistics are at their targets.

    Saturation, chroma and colourfulness scale ab, hue rotates it, and the others shift it in the
    direction in which they grow from grey: one number an image, found by bisection (hue: by
    turning by what is missing). What an image cannot reach it comes as near to as it gets.

    Args:
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].
        controls: targets by name; weights do not matter.

    Returns:
        (N, 2, H, W): ab, not bounded any more; ``l_ab_to_rgb`` shows it.
    """
    for _ in range(ROUNDS if len(controls) > 1 else 1):
        for name, control in controls.items():
            statistic = STATISTICS[name]
            find = _turned if statistic.moves == "rotate" else _bisected
            ab = find(statistic, l, ab, control.target)
    return ab


def _bisected(statistic: Statistic, l: Tensor, ab: Tensor, target: float) -> Tensor:  # noqa: E741
    direction = _direction(statistic).to(ab)

    def moved(amount: Tensor) -> Tensor:
        amount = amount.view(-1, 1, 1, 1)
        return ab * amount if statistic.moves == "scale" else ab + amount * direction

    low, high = (0.0, MAX_SCALE) if statistic.moves == "scale" else (-MAX_SHIFT, MAX_SHIFT)
    below, above = ab.new_full((len(ab),), low), ab.new_full((len(ab),), high)
    for _ in range(HALVINGS):
        # Between factors that differ by a power of ten the geometric mean is the middle.
        middle = (below + above) / 2
        if statistic.moves == "scale":
            middle = torch.where(below > 0, (below * above).sqrt(), middle / 8)
        short = statistic.measure(l_ab_to_rgb(l, moved(middle))) < target
        below, above = torch.where(short, middle, below), torch.where(short, above, middle)
    return moved((below + above) / 2)


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
        angle = angle - statistic.difference(value, target) * (2 * math.pi)
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
