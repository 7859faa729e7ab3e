"""Mean hue, weighted by chroma."""

import math

import torch
from torch import Tensor

from gan.colour.statistic import Statistic


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


STATISTIC = Statistic("hue", mean_hue, None, "rotate")
