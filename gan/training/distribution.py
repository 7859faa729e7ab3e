"""Distance between the colours of a generated batch and those of photographs.

Sliced Wasserstein-1: Bonneel, Rabin, Peyre, Pfister, "Sliced and Radon Wasserstein barycenters of
measures" (2015). It compares which colours occur, not where: a generator that gives every picture
the mean hue is far from the photographs, however small its L1 distance to each of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

LIGHTNESS = 0.3
"""Weight of L relative to a and b: with L, colour frequencies are compared at similar lightness."""
DIRECTIONS = 12
PIXELS = 4096
"""Maximum number of pixels compared per batch, one from each of that many equal parts."""


def sliced_wasserstein(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    """Return the Wasserstein-1 distance of two projected point clouds, averaged over directions.

    Args:
        x: (n, d) points.
        y: (n, d) points.
        directions: (d, k) unit vectors.

    Returns:
        A scalar in the unit of the points.
    """
    # Transposed first: sorting contiguous memory takes a third of the time.
    sorted_x, sorted_y = ((directions.T @ points.T).sort(dim=1).values for points in (x, y))
    return (sorted_x - sorted_y).abs().mean()


def distribution_distance(
    l: Tensor,  # noqa: E741
    ab: Tensor,
    real: Tensor,
    scales: Sequence[float],
    directions: Tensor,
    pixels: Tensor,
) -> Tensor:
    """Return the distance between the colours of two batches, averaged over scales.

    Args:
        l: (N, 1, H, W), scaled lightness.
        ab: (N, 2, H, W), scaled colour, generated.
        real: (N, 2, H, W), scaled colour of the photographs.
        scales: sides of the windows whose means are compared, as fractions of H; 0 is a pixel.
        directions: (scales, 3, k), unit vectors in (0.3 L, a, b).
        pixels: (p,), indices of the compared pixels among all N * H * W.
    """
    clouds = [torch.cat([LIGHTNESS * l, x], dim=1) for x in (ab, real)]
    distances = []
    for scale, vectors in zip(scales, directions, strict=True):
        side = round(scale * l.shape[2])
        if side <= 1:
            points = [c.permute(0, 2, 3, 1).reshape(-1, 3)[pixels] for c in clouds]
        else:
            points = [window_means(c, side).permute(0, 2, 3, 1).reshape(-1, 3) for c in clouds]
        distances.append(sliced_wasserstein(points[0], points[1], vectors))
    return torch.stack(distances).mean()


def window_means(x: Tensor, side: int) -> Tensor:
    """Return the means of adjacent windows: (N, C, H, W) -> (N, C, H // side, W // side)."""
    # On a GPU, one thread of the pooling would sum a whole window.
    return _means_of_reshaped(x, side) if x.is_cuda else avg_pool2d(x, side)


def _means_of_reshaped(x: Tensor, side: int) -> Tensor:
    down, right = (pixels // side for pixels in x.shape[2:])
    whole = x[:, :, : down * side, : right * side]
    return whole.reshape(*x.shape[:2], down, side, right, side).mean(dim=(3, 5))


def draw_directions(scales: int, random: torch.Generator) -> Tensor:
    """Draw (scales, 3, ``DIRECTIONS``) unit vectors uniformly on the sphere."""
    return normalize(torch.randn(scales, 3, DIRECTIONS, generator=random), dim=1)


def draw_pixels(count: int, random: torch.Generator) -> Tensor:
    """Draw the indices of compared pixels among ``count``: one per part, at most ``PIXELS``."""
    part = -(-count // PIXELS)  # rounded up, so that the parts cover the whole batch
    starts = torch.arange(count // part) * part
    return starts + torch.randint(part, starts.shape, generator=random)
