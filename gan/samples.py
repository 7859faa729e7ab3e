"""The sample grid: the same held-out images in grayscale, as they were, and colorized."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan.control import ControlName

COLUMNS = 12
ROWS = ("Grayscale", "Original", "Colorized")
CELL = 96
"""Least side of a picture in pixels: the pixels of smaller ones are repeated."""
KEPT = "colorsweep"
"""Keyword of the text in a grid's PNG."""
GAP = 4
"""Transparent pixels between pictures."""


@dataclass(frozen=True)
class Numbers:
    """A statistic of each picture of a sample grid, in its own unit."""

    achieved: list[float]
    original: list[float]
    reachable: list[float]
    """Nearest value to the target that any colouring of the same lightness can have."""


def draw(rows: NDArray[np.uint8], numbers: Mapping[ControlName, Numbers] | None = None) -> bytes:
    """Draw a grid of pictures as a PNG, without resampling.

    Args:
        rows: (k, n, H, W, 3) sRGB; of a sample grid in the order of ``ROWS``.
        numbers: of the n pictures by control, kept in the file (``numbers_of``).
    """
    repeat = -(-CELL // rows.shape[2])
    large = rows.repeat(repeat, axis=2).repeat(repeat, axis=3)
    opaque = np.concatenate([large, np.full_like(large[..., :1], 255)], axis=-1)
    spaced = np.pad(opaque, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)])
    count, columns, height, width, channels = spaced.shape
    grid = spaced.transpose(0, 2, 1, 3, 4).reshape(count * height, columns * width, channels)
    kept = PngInfo()
    if numbers is not None:
        kept.add_text(KEPT, json.dumps({name: asdict(of) for name, of in numbers.items()}))
    buffer = io.BytesIO()
    # optimize=True: 12 times as long, 1 % smaller
    Image.fromarray(grid[:-GAP, :-GAP]).save(buffer, format="PNG", pnginfo=kept)
    return buffer.getvalue()


def numbers_of(png: bytes) -> dict[ControlName, Numbers]:
    """Read the numbers that a sample grid keeps."""
    kept = Image.open(io.BytesIO(png)).info.get(KEPT, "{}")
    return {name: Numbers(**of) for name, of in json.loads(kept).items()}


def cells(png: bytes, size: int) -> NDArray[np.uint8]:
    """Take the pictures out of a sample grid: what ``draw`` was given.

    Args:
        png: the grid.
        size: height and width of a picture, pixels.

    Returns:
        (3, n, size, size, 3) sRGB, in the order of ``ROWS``.
    """
    grid = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    repeat = -(-CELL // size)
    pitch = size * repeat + GAP
    padded = np.pad(grid, [(0, GAP), (0, GAP), (0, 0)])
    rows, columns = padded.shape[0] // pitch, padded.shape[1] // pitch
    spaced = padded.reshape(rows, pitch, columns, pitch, 3).transpose(0, 2, 1, 3, 4)
    return spaced[:, :, : size * repeat : repeat, : size * repeat : repeat]
