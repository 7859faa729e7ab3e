"""Colourfulness of Hasler and Suesstrunk (2003)."""

import torch
from torch import Tensor

from gan.colour.statistic import Statistic


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


STATISTIC = Statistic(
    "colourfulness",
    colourfulness,
    lambda rgb: _opponent(rgb).square().sum(dim=1),
    "scale",
    # Of a given mean square, deviation + 0.3 |mean| is largest where |mean| is 0.3 of it.
    of_mean=lambda square: (1.09 * square).sqrt(),
)
