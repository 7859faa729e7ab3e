"""Colorization of pictures of any size by a trained generator, in the pictures' own lightness.

The generator sees L at about the scale of its training. Its ab is enlarged to the picture's size
and composed with the picture's luminance, one band of rows at a time, so that memory beyond the
picture and the result does not grow with them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from gan.colour.conversion import LUMINANCE, lightness, rgb_to_l_ab, tinted
from gan.colour.exact_control import Move, correction, exact
from gan.colour.statistic import Statistic, Targets, of_each
from gan.colour.statistics import STATISTICS
from gan.control import TARGET_RANGES, ControlName, require_inside
from gan.errors import UserError
from gan.inference.pixels import (
    Sample,
    bands,
    checked,
    linear_light,
    samples,
    sparsely,
    unit,
    visible,
)
from gan.model.networks import UNetGenerator
from gan.model.stored_generator import load_generator

SCALE = 2
"""Short side that the generator sees, in multiples of its image size; training uses 1 to 6. Mean
error of saturation (steered trials of sweeps/quickstart.yaml, every second held-out photograph):
0.0166, against 0.0186 at 1, where colours also spill over edges, and 0.0185 at 3."""
LONGEST = 4
"""Largest area that the generator sees, in squares of that short side."""
MOVED_PIXELS = 2**16
"""Pixels of the reduced picture whose colours move to targets: 0.4 s per control on one core."""
NEAR = 0.002
"""Distance from a target, as a share of its range, tolerated after the colours are enlarged."""

MARGIN = 4
SHIFTS = ((0, 1), (1, 3), (2, 0), (3, 2))
"""Places (down, right) of a picture in a frame that is larger by ``MARGIN``. The generator colours
it at each of them, and the results are averaged. This removes the 4-pixel grid of transposed
convolutions, plainly visible in an enlarged sky, and reduces the blotches of other generators."""
SHIFTED_PIXELS = 2**17
"""Seen pixels above which a picture is coloured only once: 12 megapixels through the largest
256-pixel generators, whose grid is finer, would take 12 s on one core."""


@dataclass(frozen=True)
class Outcome:
    """Result for a target in one picture, in the statistic's own unit."""

    wanted: float
    achieved: float | None
    """Measured value; None for the hue of an entirely grey picture."""
    reachable: float
    """Value nearest to the target that any colouring of that lightness can have."""
    missed: float
    """achieved - reachable; for hue, the shorter way round the circle, or 0 if there is no hue."""


class Colorizer:
    """Generator that colours pictures and preserves their lightness."""

    def __init__(self, generator: UNetGenerator) -> None:
        """Move a loaded generator to a GPU, if there is one."""
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.config = generator.config
        self.generator = generator.to(self.device).eval()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load anything that ``load_generator`` takes, such as a checkpoint or an export.

        Raises:
            UserError: there is no generator.
        """
        return cls(load_generator(Path(path)))

    def __call__(
        self,
        picture: NDArray[Sample],
        targets: Mapping[ControlName, float] | None = None,
        *,
        raw: bool = False,
    ) -> NDArray[Sample]:
        """Colour a picture.

        Args:
            picture: (H, W) or (H, W, C) sRGB, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB,
                alpha); uint8, uint16, or float32 in [0, 1].
            targets: targets by name, in the statistics' own units; they replace those that the
                generator was trained for. An any-target generator needs its targets.
            raw: whether to leave the generator's colours unchanged; else exact control moves
                them to the targets, or to the nearest reachable values.

        Returns:
            (H, W, 3), or (H, W, 4) with the picture's alpha; dtype and L are the picture's.

        Raises:
            TypeError: the picture is not an array, or a target is no number.
            ValueError: the array is not such a picture, or a target is out of its range.
            UserError: a target is missing, or there is no such target.
        """
        picture = checked(picture)
        wanted = self.targets(targets or {})
        with torch.inference_mode():
            colours = _Enlarged(self._colours(picture, wanted, raw=raw), picture.shape[:2])
            move = self._correction(picture, colours, {} if raw else wanted)
            parts = [
                self._composed(picture[band], colours.part(band), move) for band in bands(picture)
            ]
        return np.concatenate(parts)

    def targets(self, given: Mapping[ControlName, float]) -> dict[ControlName, float]:
        """Return the targets of a picture: those given, and the generator's own for the others.

        Raises:
            TypeError: a target is no number.
            ValueError: a target is out of its range.
            UserError: a target is missing, or there is no such target.
        """
        for name, value in given.items():
            if name not in TARGET_RANGES:
                raise UserError(f"{name}: no such target; valid: {', '.join(TARGET_RANGES)}")
            if not isinstance(value, Real):
                raise TypeError(f"{name}: a target is a number, not {type(value).__name__}")
            require_inside(name, value, TARGET_RANGES[name])
        controls = self.config.controls.items()
        own = {name: control.wanted for name, control in controls if not control.is_any}
        if lacking := self.config.any_controls.keys() - given.keys():
            raise UserError(f"this generator needs a target for {', '.join(sorted(lacking))}")
        return {**own, **given}

    def _colours(
        self, picture: NDArray[Any], targets: Mapping[ControlName, float], *, raw: bool
    ) -> Tensor:
        """Return colours (1, 2, h, w) at a reduced scale, moved to the targets unless ``raw``."""
        size, stride = self.config.image_size, self.generator.stride
        seen = seen_sides(picture.shape[:2], size, stride)
        moving = bool(targets) and not raw
        moved_at = seen
        if moving:
            # At the picture's own scale, or nearly: mean saturation changes with the scale.
            shrink = min(1.0, math.sqrt(MOVED_PIXELS / (picture.shape[0] * picture.shape[1])))
            moved_at = tuple(max(1, round(side * shrink)) for side in picture.shape[:2])
        reduced = self._reduced(picture, *{seen, moved_at})
        ab = self._generated(reduced[seen], of_each(targets, reduced[seen]))
        if not moving:
            return ab
        enlarged = interpolate(ab, moved_at, mode="bicubic", antialias=True)
        l = reduced[moved_at]  # noqa: E741
        return exact(l, enlarged, of_each(targets, l))

    def _correction(
        self, picture: NDArray[Any], colours: "_Enlarged", targets: Mapping[ControlName, float]
    ) -> Move | None:
        """Return the move from the enlarged colours to the targets; None if negligible."""
        if not targets:
            return None
        sparse = sparsely(picture)
        part, ab = picture[sparse, sparse], colours.part(sparse, sparse)
        found = outcomes(self._composed(part, ab), targets)
        if all(abs(o.missed) < NEAR * STATISTICS[name].span for name, o in found.items()):
            return None
        seen = torch.from_numpy(visible(part)).to(self.device)
        l = lightness(self._luminance(part))[:, :, None, seen]  # noqa: E741
        return correction(l, ab[:, :, None, seen], of_each(targets, l))

    def _composed(
        self, picture: NDArray[Sample], ab: Tensor, move: Move | None = None
    ) -> NDArray[Sample]:
        """Give a picture (H, W, C) the moved colours (1, 2, H, W): (H, W, 3 or 4)."""
        light = self._luminance(picture)
        rgb = samples(tinted(light, move(lightness(light), ab) if move else ab), picture.dtype)
        has_alpha = picture.shape[2] % 2 == 0
        return np.concatenate([rgb, picture[..., -1:]], axis=2) if has_alpha else rgb

    def _generated(self, l: Tensor, targets: Targets) -> Tensor:  # noqa: E741
        """Average the generator's colours for L (1, 1, h, w) over ``SHIFTS``: (1, 2, h, w)."""
        height, width = l.shape[2:]
        shifts = SHIFTS if height * width <= SHIFTED_PIXELS else SHIFTS[:1]
        total = l.new_zeros(1, 2, height, width)
        for down, right in shifts:
            edges = (right, MARGIN - right, down, MARGIN - down)
            ab = self.generator(pad(l, edges, mode="replicate"), targets)
            total += ab[:, :, down : down + height, right : right + width]
        return total / len(shifts)

    def _reduced(
        self, picture: NDArray[Any], *sizes: tuple[int, ...]
    ) -> dict[tuple[int, ...], Tensor]:
        """Return a picture's L at several (height, width): (1, 1, height, width) each."""
        # Reducing the width of each band, then the height of all, equals reducing both at once.
        narrow: dict[tuple[int, ...], list[Tensor]] = {size: [] for size in sizes}
        for band in bands(picture):
            l = lightness(self._luminance(picture[band]))  # noqa: E741
            for size, parts in narrow.items():
                to = (l.shape[2], size[1])
                parts.append(interpolate(l, to, mode="bicubic", antialias=True))
        return {
            size: interpolate(torch.cat(parts, 2), size, mode="bicubic", antialias=True).clamp(
                -1, 1
            )
            for size, parts in narrow.items()
        }

    def _luminance(self, band: NDArray[Any]) -> Tensor:
        """Return Y of some rows of a picture: (1, 1, rows, width) in [0, 1]."""
        light = linear_light(band[..., :3] if band.shape[2] >= 3 else band[..., :1])
        if light.shape[2] == 3:
            light = light @ np.array(LUMINANCE, np.float32)[:, None]
        return torch.from_numpy(light).to(self.device)[None, None, ..., 0]


def outcomes(
    picture: NDArray[Sample], wanted: Mapping[ControlName, float]
) -> dict[ControlName, Outcome]:
    """Compare the visible part of a picture with the targets.

    Args:
        picture: (H, W, 3 or 4) as ``Colorizer`` returns it. In a large one every n-th pixel of
            every n-th row is measured, half a million at most.
        wanted: targets by name.
    """
    sparse = sparsely(picture)
    part = picture[sparse, sparse]
    rgb = torch.from_numpy(unit(part[visible(part)][:, :3])).T[None, :, None]
    grey = bool((rgb == rgb[:, :1]).all())
    return {
        name: _outcome(STATISTICS[name], rgb, target, known=not grey or name != "hue")
        for name, target in wanted.items()
    }


def _outcome(statistic: Statistic, rgb: Tensor, target: float, *, known: bool) -> Outcome:
    achieved, reachable = statistic.measure(rgb), statistic.reachable(rgb_to_l_ab(rgb)[0], target)
    missed = statistic.difference(achieved, reachable).item() if known else 0.0
    return Outcome(target, achieved.item() if known else None, reachable.item(), missed)


def seen_sides(sides: tuple[int, ...], size: int, stride: int) -> tuple[int, int]:
    """Return the height and width at which a generator sees a picture, without the frame.

    With the frame, the short side is the picture's own, but at least ``size`` and at most twice
    that, or less if the picture is very long. Both sides are multiples of the stride.

    Args:
        sides: height and width of the picture, pixels.
        size: side of the generator's square training images.
        stride: stride of the generator.
    """
    short = min(max(min(sides), size), SCALE * size)
    most = LONGEST * (SCALE * size) ** 2
    ratio = min(short / min(sides), math.sqrt(most / (sides[0] * sides[1])))
    height, width = (max(1, round(side * ratio / stride)) * stride for side in sides)
    longest = most // min(height, width) // stride * stride
    return min(height, longest) - MARGIN, min(width, longest) - MARGIN


class _Enlarged:
    """Colours enlarged to the size of a picture, computed one part at a time."""

    def __init__(self, ab: Tensor, sides: tuple[int, int]) -> None:
        """Prepare to enlarge ab (1, 2, h, w) to a height and width."""
        height, width = sides
        # Resizing is linear in each direction: an enlarged identity is its matrix.
        each_row = torch.eye(ab.shape[2], device=ab.device)[None, None]
        to_rows = (height, ab.shape[2])
        self.rows = interpolate(each_row, to_rows, mode="bicubic", antialias=True)[0, 0]
        to_columns = (ab.shape[2], width)
        self.columns = interpolate(ab, to_columns, mode="bicubic", antialias=True)[0]

    def part(self, down: slice, right: slice = slice(None)) -> Tensor:
        """Return ab (1, 2, rows, columns) of some rows and columns of the picture."""
        return torch.matmul(self.rows[down], self.columns[..., right])[None]
