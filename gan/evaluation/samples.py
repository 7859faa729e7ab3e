"""Sample grid: the same held-out images in grayscale, in their own colours, and colorized."""

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
"""Kind of a row: photographs in grayscale, in their own colours and moved to the targets; the
generator's outputs, unchanged and after exact control."""
CELL = 96
"""Minimum side of a picture in pixels; pixels of smaller pictures are repeated."""
KEPT = "colorsweep"
"""Keyword of the PNG's text chunk that holds a grid's rows."""
GAP = 4
"""Transparent pixels between pictures."""


@dataclass(frozen=True)
class Numbers:
    """Statistic of each picture in a row of a sample grid, in its own unit."""

    achieved: list[float]
    original: list[float]
    reachable: list[float]
    """Values nearest to the target that any colouring of the same lightness can have."""


@dataclass(frozen=True)
class SampleRow:
    """Row of a sample grid."""

    kind: Kind
    label: str = ""
    """Label of the targets, if those of the trial are ``any``."""
    numbers: dict[ControlName, Numbers] = field(default_factory=dict)
    """Statistics of the pictures, by control."""


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """Rows and pictures of a sample grid."""

    rows: list[SampleRow]
    pictures: NDArray[np.uint8]
    """(k, n, H, W, 3) sRGB."""

    def find(self, kind: Kind, label: str = "") -> NDArray[np.uint8] | None:
        """Return the pictures (n, H, W, 3) of a row; None if there is no such row."""
        for row, pictures in zip(self.rows, self.pictures, strict=True):
            if (row.kind, row.label) == (kind, label):
                found: NDArray[np.uint8] = pictures
                return found
        return None

    def numbers(self, kind: Kind, label: str = "") -> dict[ControlName, Numbers]:
        """Return the numbers of a row by control; empty if there is no such row."""
        found = (row.numbers for row in self.rows if (row.kind, row.label) == (kind, label))
        return next(found, {})


def draw(pictures: NDArray[np.uint8], rows: Sequence[SampleRow] | None = None) -> bytes:
    """Draw a grid of pictures as a PNG, without resampling.

    Args:
        pictures: (k, n, H, W, 3) sRGB.
        rows: the k rows, stored in the file for ``read``.
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
    # Not optimize=True, which takes 12 times as long for a file 1 % smaller.
    Image.fromarray(grid[:-GAP, :-GAP]).save(buffer, format="PNG", pnginfo=kept)
    return buffer.getvalue()


def read(png: bytes, size: int) -> SampleGrid:
    """Recover the rows and pictures from a sample grid that ``draw`` wrote.

    Args:
        png: the grid.
        size: height and width of a picture, pixels.
    """
    with Image.open(io.BytesIO(png)) as image:
        kept = json.loads(image.info[KEPT])
        grid = np.asarray(image.convert("RGB"))
    rows = [
        SampleRow(
            row["kind"], row["label"], {name: Numbers(**of) for name, of in row["numbers"].items()}
        )
        for row in kept
    ]
    repeat = -(-CELL // size)
    pitch = size * repeat + GAP
    padded = np.pad(grid, [(0, GAP), (0, GAP), (0, 0)])
    count, columns = padded.shape[0] // pitch, padded.shape[1] // pitch
    spaced = padded.reshape(count, pitch, columns, pitch, 3).transpose(0, 2, 1, 3, 4)
    return SampleGrid(rows, spaced[:, :, : size * repeat : repeat, : size * repeat : repeat])
