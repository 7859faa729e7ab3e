"""The sample grid: the same held-out images in grayscale, as they were, and colorized."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan.control import ControlName

COLUMNS = 12
Kind = Literal["grayscale", "original", "fitted", "colorized", "exact"]
"""A row: the photographs without and with their colours, those moved to the targets, the
generator's outputs as they are, and after exact control."""
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


@dataclass(frozen=True)
class Row:
    """A row of a sample grid."""

    kind: Kind
    label: str = ""
    """Of the targets, where the trial's are ``any``."""
    numbers: dict[ControlName, Numbers] = field(default_factory=dict)
    """Of each picture, by control."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A sample grid as it was drawn."""

    rows: list[Row]
    pictures: NDArray[np.uint8]
    """(k, n, H, W, 3) sRGB."""

    def find(self, kind: Kind, label: str = "") -> NDArray[np.uint8] | None:
        """Return the pictures (n, H, W, 3) of a row; None where there is none."""
        for row, pictures in zip(self.rows, self.pictures, strict=True):
            if (row.kind, row.label) == (kind, label):
                found: NDArray[np.uint8] = pictures
                return found
        return None

    def numbers(self, kind: Kind, label: str = "") -> dict[ControlName, Numbers]:
        """Return the numbers of a row, by control; none where there is no such row."""
        found = (row.numbers for row in self.rows if (row.kind, row.label) == (kind, label))
        return next(found, {})


def draw(pictures: NDArray[np.uint8], rows: Sequence[Row] | None = None) -> bytes:
    """Draw a grid of pictures as a PNG, without resampling.

    Args:
        pictures: (k, n, H, W, 3) sRGB.
        rows: what the k rows are, kept in the file (``read``).
    """
    repeat = -(-CELL // pictures.shape[2])
    large = pictures.repeat(repeat, axis=2).repeat(repeat, axis=3)
    opaque = np.concatenate([large, np.full_like(large[..., :1], 255)], axis=-1)
    spaced = np.pad(opaque, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)])
    count, columns, height, width, channels = spaced.shape
    grid = spaced.transpose(0, 2, 1, 3, 4).reshape(count * height, columns * width, channels)
    kept = PngInfo()
    if rows is not None:
        kept.add_text(KEPT, json.dumps([asdict(row) for row in rows]))
    buffer = io.BytesIO()
    # optimize=True: 12 times as long, 1 % smaller
    Image.fromarray(grid[:-GAP, :-GAP]).save(buffer, format="PNG", pnginfo=kept)
    return buffer.getvalue()


def read(png: bytes, size: int) -> Grid:
    """Take a sample grid apart: what ``draw`` was given.

    Args:
        png: the grid.
        size: height and width of a picture, pixels.
    """
    with Image.open(io.BytesIO(png)) as image:
        kept = json.loads(image.info[KEPT])
        grid = np.asarray(image.convert("RGB"))
    rows = [
        Row(row["kind"], row["label"], {name: Numbers(**of) for name, of in row["numbers"].items()})
        for row in kept
    ]
    repeat = -(-CELL // size)
    pitch = size * repeat + GAP
    padded = np.pad(grid, [(0, GAP), (0, GAP), (0, 0)])
    count, columns = padded.shape[0] // pitch, padded.shape[1] // pitch
    spaced = padded.reshape(count, pitch, columns, pitch, 3).transpose(0, 2, 1, 3, 4)
    return Grid(rows, spaced[:, :, : size * repeat : repeat, : size * repeat : repeat])
