"""Mean chroma of CIELAB."""

import torch
from torch import Tensor

from gan.colour.statistic import a_b, mean_of


def chroma_of_pixels(rgb: Tensor) -> Tensor:
    """Return CIELAB's C*ab = sqrt(a*^2 + b*^2) (CIE 15): (N, 3, H, W) -> (N, H, W)."""
    a, b = a_b(rgb)
    return torch.hypot(a + 1e-6, b)  # at exact grey the gradient points to +a


STATISTIC = mean_of("chroma", chroma_of_pixels, "scale")
