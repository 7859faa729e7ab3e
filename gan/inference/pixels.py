"""Pictures as NumPy arrays of samples: validation, bands of rows, linear light."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from gan.colour.conversion import LUMINANCE, linear

BAND_PIXELS = 2**18
MEASURED_PIXELS = 2**19

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)


def checked(picture: NDArray[Sample]) -> NDArray[Sample]:
    """Return a picture with its channels last: (H, W, C).

    Raises:
        TypeError: the picture is not an array.
        ValueError: the array is not a picture.
    """
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"{type(picture).__name__}: a picture is a NumPy array: np.asarray(image)")
    if picture.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"{picture.dtype}: a picture is uint8, uint16, or float32 in [0, 1]")
    whole = picture[..., None] if picture.ndim == 2 else picture
    if whole.ndim != 3 or whole.shape[2] not in (1, 2, 3, 4) or not whole.size:
        raise ValueError(f"{picture.shape}: a picture is (H, W) or (H, W, 1 to 4)")
    if picture.dtype == np.float32 and not (picture.min() >= 0 and picture.max() <= 1):
        raise ValueError("float32 pictures must be in [0, 1]")
    return np.ascontiguousarray(whole)


def bands(picture: NDArray[Any]) -> Iterator[slice]:
    """Split a picture into bands of rows, from top to bottom."""
    height, width = picture.shape[:2]
    rows = max(1, BAND_PIXELS // width)
    return (slice(top, top + rows) for top in range(0, height, rows))


def sparsely(
    picture: NDArray[Any], most: int = MEASURED_PIXELS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the rows and columns of a picture to measure: half a million pixels at most, or fewer.

    One of every n: the first of the first n, the second of the next n, and so on, as a regular
    texture could hide between those of one distance.
    """
    step = math.ceil(math.sqrt(picture[..., 0].size / most))
    rows, columns = (
        np.minimum(blocks * step + blocks % step, side - 1)
        for side in picture.shape[:2]
        for blocks in [np.arange(-(-side // step))]
    )
    return rows, columns


def visible(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask (H, W) of the visible pixels, or of all pixels if none is visible."""
    seen = np.ones(picture.shape[:2], bool)
    if picture.shape[2] % 2 == 0 and picture[..., -1].any():
        seen = picture[..., -1] > 0
    return seen


def linear_light(values: NDArray[Any]) -> NDArray[np.float32]:
    """Convert sRGB samples to linear light in [0, 1]."""
    if values.dtype == np.float32:
        return linear(torch.tensor(values)).numpy()
    return np.take(_light(values.dtype), values)


@cache
def _light(dtype: DTypeLike) -> NDArray[np.float32]:
    """Return the linear light of every sample value of a type."""
    return linear(torch.from_numpy(unit(np.arange(np.iinfo(dtype).max + 1, dtype=dtype)))).numpy()


def unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Convert samples to float32 in [0, 1], as a copy."""
    most = 1 if values.dtype == np.float32 else np.iinfo(values.dtype).max
    return values.astype(np.float32) / np.float32(most)


def luminance(part: NDArray[Any], device: torch.device) -> Tensor:
    """Return Y of a part (H, W, C) of a picture: (1, 1, H, W) in [0, 1]."""
    light = linear_light(part[..., :3] if part.shape[2] >= 3 else part[..., :1])
    if light.shape[2] == 3:
        light = light @ np.array(LUMINANCE, np.float32)[:, None]
    return torch.from_numpy(light).to(device)[None, None, ..., 0]


def rounded(rgb: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Round RGB in [0, 1] to the values that samples of a type have."""
    if dtype == np.float32:
        return rgb
    most = np.iinfo(dtype).max
    return (rgb * most).round_() / most


def samples(rgb: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert RGB (1, 3, H, W) in [0, 1] to samples (H, W, 3)."""
    values = rgb[0].permute(1, 2, 0).cpu()
    if dtype == np.float32:
        return values.numpy()
    return (values * np.iinfo(dtype).max).round_().numpy().astype(dtype)
