"""Mean HSV saturation."""

import torch
from torch import Tensor

from gan.colour.statistic import mean_of


def saturation_of_pixels(rgb: Tensor) -> Tensor:
    """Return HSV saturation, (max - min) / max, 0 for black: (N, 3, H, W) -> (N, H, W)."""
    r, g, b = rgb.unbind(dim=1)
    # Of equal channels the first counts as highest and the last as lowest: an exactly grey pixel
    # then has a gradient (towards red) and can regain colour. With amax it would be zero.
    high = torch.where(r >= g, torch.where(r >= b, r, b), torch.where(g >= b, g, b))
    low = torch.where(b <= g, torch.where(b <= r, b, r), torch.where(g <= r, g, r))
    # Below a quarter of an 8-bit level nothing is visible, and the gradient would explode.
    return (high - low) / high.clamp(min=1e-3)


STATISTIC = mean_of("saturation", saturation_of_pixels, "scale")
