"""Pictures prepared for colouring: reduced and sampled once, for any number of targets."""

import math
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.conversion import lightness, tinted
from gan.colour.exact_control import EXACT, FITTED, Move
from gan.inference.pixels import (
    MEASURED_PIXELS,
    bands,
    checked,
    luminance,
    samples,
    sparsely,
    visible,
)
from gan.inference.sampled import SampledPixels
from gan.inference.seen import Enlarged, resized

MOVED_PIXELS = 2**16
"""Pixels of the reduced picture whose colours move to targets: 0.4 s per control on one core."""
QUICK_PIXELS = 2**16
"""Most pixels on which the way to the targets is found quickly."""


class Prepared:
    """Picture to be coloured at several targets, or by several generators.

    What these have in common is computed once.
    """

    def __init__(
        self, picture: NDArray[Any], *, quick: bool = False, moved: int = MOVED_PIXELS
    ) -> None:
        """Take a picture (H, W) or (H, W, C), as ``Colorizer`` does.

        Args:
            picture: as for ``Colorizer``.
            quick: whether less arithmetic is spent, as while a slider moves. One target is met as
                well. Two take half of the time, or a third with half of the pixels: in the median
                picture 99 % of the samples then differ by 6 of 255 levels at most, and where both
                cannot be met, by up to 127.
            moved: number of pixels to which a picture of more than ``MOVED_PIXELS`` is reduced,
                to move its colours.

        Raises:
            TypeError: the picture is not an array.
            ValueError: the array is not such a picture.
        """
        self.picture: NDArray[Any] = checked(picture)
        self.measured = QUICK_PIXELS if quick else MEASURED_PIXELS
        self.precision = FITTED if quick else EXACT
        self._moved = moved
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.generated: dict[tuple[object, ...], Tensor] = {}
        """Colours (1, 2, h, w) by generator and inputs."""
        self._reduced: dict[tuple[int, ...], Tensor] = {}

    @property
    def sides(self) -> tuple[int, ...]:
        """Height and width."""
        height, width = self.picture.shape[:2]
        return height, width

    @property
    def moved_sides(self) -> tuple[int, ...]:
        """Height and width at which colours are moved to targets.

        The picture's own unless it has more than ``MOVED_PIXELS``: mean saturation changes with
        the scale.
        """
        pixels = self.sides[0] * self.sides[1]
        shrink = math.sqrt(self._moved / pixels) if pixels > MOVED_PIXELS else 1.0
        return tuple(max(1, round(side * shrink)) for side in self.sides)

    def reduced(self, *sizes: tuple[int, ...]) -> list[Tensor]:
        """Return L at several (height, width): (1, 1, height, width) each."""
        # Reducing the width of each band, then the height of all, equals reducing both at once.
        narrow: dict[tuple[int, ...], list[Tensor]] = {
            size: [] for size in sizes if size not in self._reduced
        }
        for band in bands(self.picture) if narrow else ():
            l = lightness(luminance(self.picture[band], self.device))  # noqa: E741
            for size, parts in narrow.items():
                parts.append(resized(l, (l.shape[2], size[1])))
        for size, parts in narrow.items():
            self._reduced[size] = resized(torch.cat(parts, 2), size).clamp(-1, 1)
        return [self._reduced[size] for size in sizes]

    @cached_property
    def sample(self) -> SampledPixels:
        """Visible pixels that represent the picture, ``measured`` at most."""
        rows, columns, seen = self._sampled
        part = self.picture[rows[:, None], columns]
        return SampledPixels(luminance(part, self.device)[:, :, None, seen], part.dtype)

    def at_sample(self, colours: Enlarged) -> Tensor:
        """Return enlarged colours of the sampled pixels: (1, 2, 1, P)."""
        rows, columns, seen = self._sampled
        part = colours.part(torch.from_numpy(rows), torch.from_numpy(columns))
        return part[:, :, None, seen]

    @cached_property
    def _sampled(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Tensor]:
        """Return the sampled rows and columns, and a mask of what is visible there."""
        rows, columns = sparsely(self.picture, self.measured)
        seen = visible(self.picture[rows[:, None], columns])
        return rows, columns, torch.from_numpy(seen).to(self.device)

    def composed(self, colours: Enlarged, move: Move | None = None) -> NDArray[Any]:
        """Give the picture colours, moved if a move is given: (H, W, 3), or 4 with its alpha."""
        parts = []
        for band in bands(self.picture):
            light, ab = luminance(self.picture[band], self.device), colours.part(band)
            shown = tinted(light, move(lightness(light), ab) if move else ab)
            parts.append(samples(shown, self.picture.dtype))
        rgb = np.concatenate(parts)
        has_alpha = self.picture.shape[2] % 2 == 0
        return np.concatenate([rgb, self.picture[..., -1:]], axis=2) if has_alpha else rgb
