"""A trained generator at work on pictures of any size: its colours in their own lightness.

The generator sees L at about the scale that it was trained at. Its ab is enlarged to the picture
and composed there with the picture's luminance, a band of rows at a time: what is held beside the
picture and the result does not grow with them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from gan.color import LUMINANCE, lightness, linear, rgb_to_l_ab, tinted
from gan.control import TARGETS, ControlName, require_inside
from gan.controls import STATISTICS, Targets, of_each
from gan.errors import UserError
from gan.exact import exact
from gan.networks import UNetGenerator, load_generator

SCALE = 2
"""Short side that the generator sees, in multiples of its image size; it is trained at 1 to 6. Mean
error of saturation of the steered trials of sweeps/quickstart.yaml, on every second held-out
photograph: 0.0166, beside 0.0186 at 1, where colours spill over edges too, and 0.0185 at 3."""
LONGEST = 4
"""Area that the generator sees at most, in squares of that short side."""
MOVED_PIXELS = 2**16
"""Of the reduced picture on which colours are moved to targets: 0.4 s a control on one core."""
MEASURED_PIXELS = 2**20
BAND_PIXELS = 2**18

MARGIN = 4
SHIFTS = ((0, 1), (1, 3), (2, 0), (3, 2))
"""Places (down, right) of a picture in a frame that is larger by ``MARGIN``. The generator colours
it at each of them, and the mean is taken: its transposed convolutions leave a grid of 4 pixels,
which is plain to see in an enlarged sky, and which the mean has not."""
SHIFTED_PIXELS = 2**17
"""Above, it is coloured once: 12 megapixels through the largest generators of 256 pixels, whose
grid is the finer, would take 12 s of a core."""

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)


@dataclass(frozen=True)
class Outcome:
    """What became of a target in one picture, in the statistic's own unit."""

    wanted: float
    achieved: float | None
    """None for the hue of a picture that is grey all over."""
    reachable: float
    """The nearest value to the target that any colouring of that lightness can have."""


class Colorizer:
    """Gives pictures the colours of a generator, and leaves their lightness alone."""

    def __init__(self, generator: UNetGenerator) -> None:
        """Take a generator as it is loaded, to a GPU where there is one."""
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.config = generator.config
        self.generator = generator.to(self.device).eval()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load what ``load_generator`` takes, such as a checkpoint or an export.

        Raises:
            UserError: there is none.
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
            targets: wanted values by name, in the statistics' own units; they replace those that
                the generator was trained for. A generator of any target needs its targets.
            raw: whether to leave the generator's colours as they are; else exact control moves
                them to the targets, or to the nearest values that the picture can have.

        Returns:
            (H, W, 3), or (H, W, 4) with the alpha that was given; dtype and L of the picture.

        Raises:
            TypeError: it is no array.
            ValueError: the array is no such picture, or a target is out of its range.
            UserError: a target is missing.
        """
        picture = _checked(picture)
        wanted = self.targets(targets or {})
        height, width, channels = picture.shape
        alpha = channels % 2 == 0
        result = np.empty((height, width, 3 + alpha), picture.dtype)
        if alpha:
            result[..., 3] = picture[..., -1]
        with torch.inference_mode():
            ab = self._colours(picture, wanted, raw=raw)
            columns = interpolate(ab, (ab.shape[2], width), mode="bicubic", antialias=True)[0]
            rows = _enlarging(ab.shape[2], height).to(self.device)
            for band in _bands(picture):
                enlarged = torch.matmul(rows[band], columns)[None]
                rgb = tinted(self._luminance(picture[band]), enlarged)
                result[band, :, :3] = _samples(rgb, picture.dtype)
        return result

    def targets(self, given: Mapping[ControlName, float]) -> dict[ControlName, float]:
        """Return the targets of a picture: those given, and the generator's own for the others.

        Raises:
            ValueError: one is out of its range.
            UserError: one is missing.
        """
        for name, value in given.items():
            require_inside(name, value, TARGETS[name])
        controls = self.config.controls.items()
        own = {name: control.wanted for name, control in controls if not control.is_any}
        if lacking := self.config.any_controls.keys() - given.keys():
            raise UserError(f"this generator needs a target for {', '.join(sorted(lacking))}")
        return {**own, **given}

    def _colours(
        self, picture: NDArray[Any], targets: Mapping[ControlName, float], *, raw: bool
    ) -> Tensor:
        """What the generator makes of a picture, (1, 2, h, w) at a scale of its own."""
        size, stride = self.config.image_size, self.generator.stride
        seen = seen_sides(picture.shape[:2], size, stride)
        moving = bool(targets) and not raw
        moved_at = seen
        if moving:
            # In the picture itself, or nearly: a mean saturation changes with the scale.
            shrink = min(1.0, math.sqrt(MOVED_PIXELS / (picture.shape[0] * picture.shape[1])))
            moved_at = tuple(max(1, round(side * shrink)) for side in picture.shape[:2])
        reduced = self._reduced(picture, *{seen, moved_at})
        ab = self._generated(reduced[seen], of_each(targets, reduced[seen]))
        if not moving:
            return ab
        enlarged = interpolate(ab, moved_at, mode="bicubic", antialias=True)
        l = reduced[moved_at]  # noqa: E741
        return exact(l, enlarged, of_each(targets, l))

    def _generated(self, l: Tensor, targets: Targets) -> Tensor:  # noqa: E741
        """Mean of what the generator makes of L (1, 1, h, w) at some places: (1, 2, h, w)."""
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
        """L of a picture at some (height, width): (1, 1, height, width) each."""
        # Width by width of each band, and the height in the end: the same as both at once.
        narrow: dict[tuple[int, ...], list[Tensor]] = {size: [] for size in sizes}
        for band in _bands(picture):
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
        """Y of some rows of a picture: (1, 1, rows, width) in [0, 1]."""
        light = _linear(band[..., :3] if band.shape[2] >= 3 else band[..., :1])
        if light.shape[2] == 3:
            light = light @ np.array(LUMINANCE, np.float32)[:, None]
        return torch.from_numpy(light).to(self.device)[None, None, ..., 0]


def outcomes(
    picture: NDArray[Sample], wanted: Mapping[ControlName, float]
) -> dict[ControlName, Outcome]:
    """Measure what a picture has of the targets, in what of it can be seen.

    Args:
        picture: (H, W, 3 or 4) as ``Colorizer`` returns it. Of a large one every n-th pixel of
            every n-th row is looked at, about a million.
        wanted: targets by name.
    """
    step = math.ceil(math.sqrt(picture.shape[0] * picture.shape[1] / MEASURED_PIXELS))
    pixels = picture[::step, ::step].reshape(-1, picture.shape[2])
    if picture.shape[2] == 4 and (visible := pixels[:, 3] > 0).any():
        pixels = pixels[visible]
    rgb = torch.from_numpy(_unit(pixels[:, :3])).T[None, :, None]
    l, _ = rgb_to_l_ab(rgb)  # noqa: E741
    grey = bool((rgb == rgb[:, :1]).all())
    return {
        name: Outcome(
            target,
            None if grey and name == "hue" else STATISTICS[name].measure(rgb).item(),
            STATISTICS[name].reachable(l, target).item(),
        )
        for name, target in wanted.items()
    }


def seen_sides(sides: tuple[int, ...], size: int, stride: int) -> tuple[int, int]:
    """Height and width at which a generator sees a picture, without the frame.

    With the frame its short side is the picture's own, but at least ``size`` and at most twice
    that; less where the picture is very long; multiples of the stride.

    Args:
        sides: height and width of the picture, pixels.
        size: of the square images that it was trained on.
        stride: of the generator.
    """
    short = min(max(min(sides), size), SCALE * size)
    most = LONGEST * (SCALE * size) ** 2
    ratio = min(short / min(sides), math.sqrt(most / (sides[0] * sides[1])))
    height, width = (max(1, round(side * ratio / stride)) * stride for side in sides)
    longest = most // min(height, width) // stride * stride
    return min(height, longest) - MARGIN, min(width, longest) - MARGIN


def _checked(picture: NDArray[Sample]) -> NDArray[Sample]:
    """(H, W, C) of a picture.

    Raises:
        TypeError: it is no array.
        ValueError: it is none.
    """
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"{type(picture).__name__}: a picture is a NumPy array: np.asarray(image)")
    if picture.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"{picture.dtype}: a picture is uint8, uint16, or float32 in [0, 1]")
    whole = picture[..., None] if picture.ndim == 2 else picture
    if whole.ndim != 3 or whole.shape[2] not in (1, 2, 3, 4) or not whole.size:
        raise ValueError(f"{picture.shape}: a picture is (H, W) or (H, W, 1 to 4)")
    if picture.dtype == np.float32 and not (picture.min() >= 0 and picture.max() <= 1):
        raise ValueError("a picture of float32 is in [0, 1]")
    return whole


def _bands(picture: NDArray[Any]) -> Iterator[slice]:
    height, width = picture.shape[:2]
    rows = max(1, BAND_PIXELS // width)
    return (slice(top, top + rows) for top in range(0, height, rows))


def _enlarging(rows: int, height: int) -> Tensor:
    """Weights (height, rows) with which rows are enlarged, any part of them by itself."""
    return interpolate(torch.eye(rows)[None, None], (height, rows), mode="bicubic", antialias=True)[
        0, 0
    ]


def _linear(values: NDArray[Any]) -> NDArray[np.float32]:
    """Linear light in [0, 1] of sRGB samples."""
    if values.dtype == np.float32:
        return linear(torch.tensor(values)).numpy()
    return np.take(_light(values.dtype), values)


@cache
def _light(dtype: DTypeLike) -> NDArray[np.float32]:
    """Linear light of every sample of a kind."""
    return linear(torch.from_numpy(_unit(np.arange(np.iinfo(dtype).max + 1, dtype=dtype)))).numpy()


def _unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Samples as float32 in [0, 1]; a copy."""
    most = 1 if values.dtype == np.float32 else np.iinfo(values.dtype).max
    return values.astype(np.float32) / np.float32(most)


def _samples(rgb: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) samples."""
    values = rgb[0].permute(1, 2, 0).cpu()
    if dtype == np.float32:
        return values.numpy()
    return (values * np.iinfo(dtype).max).round_().numpy().astype(dtype)
