"""Pictures as NumPy arrays of samples: what is one, its bands of rows, its linear light."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from gan.colour.conversion import linear

BAND_PIXELS = 2**18
MEASURED_PIXELS = 2**19

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)


def checked(picture: NDArray[Sample]) -> NDArray[Sample]:
    """Return a picture with its channels last: (H, W, C).

    Raises:
        TypeError: it is no array.
        ValueError: it is no picture.
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
    return np.ascontiguousarray(whole)


def bands(picture: NDArray[Any]) -> Iterator[slice]:
    """Split a picture into bands of rows, from top to bottom."""
    height, width = picture.shape[:2]
    rows = max(1, BAND_PIXELS // width)
    return (slice(top, top + rows) for top in range(0, height, rows))


def sparsely(picture: NDArray[Any]) -> slice:
    """Choose the rows and columns of a picture that are measured: half a million pixels at most."""
    return slice(None, None, math.ceil(math.sqrt(picture[..., 0].size / MEASURED_PIXELS)))


def visible(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which pixels of a picture can be seen, (H, W): all where none can."""
    seen = np.ones(picture.shape[:2], bool)
    if picture.shape[2] % 2 == 0 and picture[..., -1].any():
        seen = picture[..., -1] > 0
    return seen


def linear_light(values: NDArray[Any]) -> NDArray[np.float32]:
    """Turn sRGB samples into linear light in [0, 1]."""
    if values.dtype == np.float32:
        return linear(torch.tensor(values)).numpy()
    return np.take(_light(values.dtype), values)


@cache
def _light(dtype: DTypeLike) -> NDArray[np.float32]:
    """Linear light of every sample of a kind."""
    return linear(torch.from_numpy(unit(np.arange(np.iinfo(dtype).max + 1, dtype=dtype)))).numpy()


def unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Turn samples into float32 in [0, 1]; a copy."""
    most = 1 if values.dtype == np.float32 else np.iinfo(values.dtype).max
    return values.astype(np.float32) / np.float32(most)


def samples(rgb: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn (1, 3, H, W) in [0, 1] into samples (H, W, 3)."""
    values = rgb[0].permute(1, 2, 0).cpu()
    if dtype == np.float32:
        return values.numpy()
    return (values * np.iinfo(dtype).max).round_().numpy().astype(dtype)
