"""Targets met in held-out photographs of any size, by NumPy's and scikit-image's measure of all
pixels that were written."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

from gan.colour.statistics import STATISTICS
from gan.data.identity import PHOTOS
from gan.inference.colorizer import Colorizer

Array = NDArray[np.float64]
NIGHT = "gateway-night-066.jpg"
PHOTOGRAPHS = [NIGHT, "castle-060.jpg", "great-wall-559.jpg", "anthias-goldfish-009.jpg"]


def hue(rgb: Array) -> float:
    r, g, b = rgb.mean(axis=(0, 1))
    return float(np.arctan2(np.sqrt(3) / 2 * (g - b), r - (g + b) / 2) / (2 * np.pi) % 1)


def colourfulness(rgb: Array) -> float:
    r, g, b = np.moveaxis(rgb * 255, 2, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return float(np.sqrt(rg.var() + yb.var()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def warmth(rgb: Array) -> float:
    _, a, b = np.moveaxis(rgb2lab(rgb), 2, 0)
    along = np.cos(np.arctan2(b, a) - np.radians(50))
    return float((-0.5 + 0.02 * np.hypot(a, b) ** 1.07 * along).mean())


MEASURES: dict[str, Callable[[Array], float]] = {
    "saturation": lambda rgb: float((np.ptp(rgb, 2) / rgb.max(axis=2).clip(1e-3)).mean()),
    "hue": hue,
    "red": lambda rgb: float(rgb[..., 0].mean()),
    "chroma": lambda rgb: float(np.hypot(*np.moveaxis(rgb2lab(rgb)[..., 1:], 2, 0)).mean()),
    "b": lambda rgb: float(rgb2lab(rgb)[..., 2].mean()),
    "warmth": warmth,
    "colourfulness": colourfulness,
}
LIGHTNESS = rgb2lab(np.stack([np.arange(256) / 255] * 3, 1))[:, 0] / 50 - 1  # of each level
TARGETS = {
    **{"saturation": (0.0, 0.1, 0.6, 1.0), "hue": (0.08, 0.6), "red": (0.3, 0.6)},
    **{"chroma": (5, 60), "b": (-30, 30), "warmth": (-0.9, 0.3), "colourfulness": (10, 90)},
}


@cache
def grey(name: str, longest: int) -> NDArray[np.uint8]:
    with Image.open(PHOTOS / "test" / name) as image:
        scale = longest / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        return np.asarray(image.convert("L").resize(size, Image.Resampling.LANCZOS))


@cache
def pretrained() -> Colorizer:
    return Colorizer.load()


def missed(name: str, target: float, picture: NDArray[np.uint8], **written: Any) -> float:
    """By how much a picture that was written misses the reachable value: share of its range."""
    file = io.BytesIO()
    Image.fromarray(pretrained()(picture, {name: target})).save(
        file, **written or {"format": "PNG", "compress_level": 1}
    )
    rgb = np.asarray(Image.open(file)) / 255
    l = torch.from_numpy(LIGHTNESS[picture]).float()[None, None]  # noqa: E741
    statistic = STATISTICS[name]
    reachable = statistic.reachable(l, target).item()
    error = MEASURES[name](rgb) - reachable
    error = (error + 0.5) % 1 - 0.5 if statistic.circular else error
    return abs(error) / statistic.span


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_a_target_is_met_in_what_is_written(name: str, photograph: str) -> None:
    for target in TARGETS[name]:
        assert missed(name, target, grey(photograph, 200)) < 0.005


# All pixels are moved and measured; fewer are moved; fewer are measured, in several bands.
@pytest.mark.slow
@pytest.mark.parametrize("longest", [150, 450, 1000])
@pytest.mark.parametrize("name", MEASURES)
def test_every_statistic_is_met_at_every_size(name: str, longest: int) -> None:
    for target in TARGETS[name]:
        assert missed(name, target, grey(NIGHT, longest)) < 0.005


def test_a_regular_texture_hides_no_pixels_from_the_measure() -> None:
    # Every second pixel of every second row would see one colour only.
    lines = np.tile(np.array([[30, 200], [200, 200]], np.uint8), (500, 600))
    assert missed("saturation", 0.4, lines) < 0.005


def test_a_jpeg_moves_the_value_a_little_further() -> None:
    jpeg = {"format": "JPEG", "quality": 95, "subsampling": 0}
    for photograph in PHOTOGRAPHS[1:]:
        assert missed("saturation", 0.4, grey(photograph, 700), **jpeg) < 0.015


def test_of_targets_that_exclude_each_other_the_last_is_met() -> None:
    # Less colour, then ten times as much; aiming at both again and again ended at grey.
    made = Colorizer.load()(grey("castle-060.jpg", 150), {"saturation": 0.1, "chroma": 67})
    rgb = made.astype(np.float64) / 255
    assert MEASURES["chroma"](rgb) == pytest.approx(67, abs=0.5)
    assert MEASURES["saturation"](rgb) > 0.5
