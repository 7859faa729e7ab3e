"""Mean warmth of Ou, Luo, Woodcock and Wright (2004)."""

import math

from torch import Tensor

from gan.colour.statistic import a_b, mean_of


def warmth_of_pixels(rgb: Tensor) -> Tensor:
    """Return warm-cool, -0.5 + 0.02 C*^1.07 cos(h - 50 deg): (N, 3, H, W) -> (N, H, W).

    Ou, Luo, Woodcock, Wright, "A study of colour emotion and colour preference, Part I" (2004),
    fitted to observers' judgements of single colours. Grey is -0.5, orange the warmest.
    """
    a, b = a_b(rgb)
    along = a * math.cos(math.radians(50)) + b * math.sin(math.radians(50))
    return -0.5 + 0.02 * (a**2 + b**2 + 1e-6) ** 0.035 * along


STATISTIC = mean_of("warmth", warmth_of_pixels, "shift")
