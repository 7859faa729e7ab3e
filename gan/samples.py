"""The sample grid: the same held-out images in grayscale, as they were, and colorized."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 12
ROWS = ("Grayscale", "Original", "Colorized")
CELL = 96
"""Least side of a picture in pixels: the pixels of smaller ones are repeated."""
GAP = 4
"""Transparent pixels between pictures."""


def draw(rows: NDArray[np.uint8]) -> bytes:
    """Draw a sample grid as a PNG, without resampling.

    Args:
        rows: (3, n, H, W, 3) sRGB, in the order of ``ROWS``.
    """
    repeat = -(-CELL // rows.shape[2])
    large = rows.repeat(repeat, axis=2).repeat(repeat, axis=3)
    opaque = np.concatenate([large, np.full_like(large[..., :1], 255)], axis=-1)
    spaced = np.pad(opaque, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)])
    count, columns, height, width, channels = spaced.shape
    grid = spaced.transpose(0, 2, 1, 3, 4).reshape(count * height, columns * width, channels)
    return to_png(Image.fromarray(grid[:-GAP, :-GAP]))


def split(png: bytes) -> list[Image.Image]:
    """Cut a sample grid into its rows, in the order of ``ROWS``."""
    grid = Image.open(io.BytesIO(png))
    height = (grid.height + GAP) // len(ROWS)
    return [grid.crop((0, i * height, grid.width, (i + 1) * height - GAP)) for i in range(3)]


def to_png(picture: Image.Image) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")  # optimize=True: 12 times as long, 1 % smaller
    return buffer.getvalue()
