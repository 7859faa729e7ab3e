"""Pictures embedded in a page: small, in WebP."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.grids import Pixels

STAGE_SIDE = 64
EXACT_STRIP = 32
"""Largest side of pictures in lossless strips; at 64 pixels, lossless takes 4 times the bytes."""
PAGE_BYTES = 6_000_000
"""Approximate limit for all pictures of a page, before they are encoded as text."""


class Strips:
    """Strips of pictures ``side`` pixels high, as data URIs; equal strips are kept once."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.uris: list[str] = []
        self._places: dict[bytes, int] = {}

    def add(self, pictures: Pixels) -> int:
        """Add a strip of pictures (n, H, W, 3) side by side, and return its index."""
        content = pictures.tobytes()
        if content not in self._places:
            self._places[content] = len(self.uris)
            self.uris.append(strip(pictures, self.side, exact=self.side <= EXACT_STRIP))
        return self._places[content]


def shown_side(size: int, pictures: int) -> int:
    """Return the side for embedded pictures: halved until they fit in ``PAGE_BYTES``."""
    # WebP takes half a byte per pixel of a photograph at quality 90, and 2 bytes losslessly.
    while size > STAGE_SIDE and pictures * size**2 // 2 > PAGE_BYTES:
        size //= 2
    return size


def mae_of(pictures: Pixels, original: Pixels) -> list[float]:
    """Return the mean absolute difference of each picture from its original, in [0, 1]."""
    difference = pictures.astype(np.float64) - original
    mean: NDArray[np.float64] = np.abs(difference).mean(axis=(1, 2, 3)) / 255
    return [float(value) for value in mean]


def strip(pictures: Pixels, side: int, *, exact: bool | None = None) -> str:
    """Encode pictures (n, H, W, 3) side by side as one data URI."""
    count, height, width, _ = pictures.shape
    beside = pictures.transpose(1, 0, 2, 3).reshape(height, count * width, 3)
    return data_uri(beside, side, exact=exact)


def data_uri(pixels: Pixels, side: int, *, exact: bool | None = None) -> str:
    """Encode a picture (H, W, 3) as WebP, at most ``side`` high; lossless unless large."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if side < image.height:
        image = image.resize((image.width * side // image.height, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    exact = side <= STAGE_SIDE if exact is None else exact
    # For lossless images, method 4 takes 10 to 70 times as long and saves 10 %.
    image.save(buffer, "WEBP", lossless=exact, quality=90, method=0 if exact else 4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
