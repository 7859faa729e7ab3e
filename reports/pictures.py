"""Pictures embedded in a page: small, in WebP."""

import base64
import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.grids import Pixels

STAGE_SIDE = 64
EXACT_STRIP = 32
"""Largest side of pictures in lossless strips; at 64 pixels, lossless takes 4 times the bytes."""
PAGE_BYTES = 6_000_000
"""Approximate limit for all pictures of a page, before they are encoded as text."""
SMALL_BYTES = 1_000_000
"""The same for a small page."""
QUALITY, SMALL_QUALITY = 90, 70


@dataclass(frozen=True)
class Encoding:
    """How the pictures of a page are embedded."""

    side: int
    """Height and width in pixels, at most."""
    small: bool = False
    """Whether all are compressed with loss, and more."""

    @classmethod
    def fitting(cls, size: int, pictures: int, *, small: bool) -> "Encoding":
        """Halve the side of pictures until so many of them fit on a page."""
        # WebP takes half a byte per pixel of a photograph at quality 90, a third at 70, and 2 bytes
        # losslessly.
        least, per_pixel, most = (
            (EXACT_STRIP, 1 / 3, SMALL_BYTES) if small else (STAGE_SIDE, 1 / 2, PAGE_BYTES)
        )
        while size > least and pictures * size**2 * per_pixel > most:
            size //= 2
        return cls(size, small)

    def uri(self, pixels: Pixels, *, exact_up_to: int = STAGE_SIDE) -> str:
        """Encode a picture (H, W, 3) as WebP; lossless up to a side, unless the page is small."""
        image = Image.fromarray(np.ascontiguousarray(pixels))
        if self.side < image.height:
            size = (image.width * self.side // image.height, self.side)
            image = image.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        exact = self.side <= exact_up_to and not self.small
        quality = SMALL_QUALITY if self.small else QUALITY
        # For lossless images, method 4 takes 10 to 70 times as long and saves 10 %.
        image.save(buffer, "WEBP", lossless=exact, quality=quality, method=0 if exact else 4)
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

    def stage(self, pictures: Pixels) -> str:
        """Encode pictures (n, H, W, 3) side by side, as small as a stage of a training."""
        return replace(self, side=min(STAGE_SIDE, self.side)).uri(beside(pictures))


class Strips:
    """Strips of pictures as data URIs; equal strips are kept once."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.uris: list[str] = []
        self._places: dict[bytes, int] = {}

    def add(self, pictures: Pixels) -> int:
        """Add a strip of pictures (n, H, W, 3) side by side, and return its index."""
        content = pictures.tobytes()
        if content not in self._places:
            self._places[content] = len(self.uris)
            self.uris.append(self.encoding.uri(beside(pictures), exact_up_to=EXACT_STRIP))
        return self._places[content]


def mae_of(pictures: Pixels, original: Pixels) -> list[float]:
    """Return the mean absolute difference of each picture from its original, in [0, 1]."""
    difference = pictures.astype(np.float64) - original
    mean: NDArray[np.float64] = np.abs(difference).mean(axis=(1, 2, 3)) / 255
    return [float(value) for value in mean]


def beside(pictures: Pixels) -> Pixels:
    """Put pictures (n, H, W, 3) side by side: (H, n * W, 3)."""
    count, height, width, _ = pictures.shape
    return pictures.transpose(1, 0, 2, 3).reshape(height, count * width, 3)
