"""What is reachable at a given lightness."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import rgb2hsv, rgb2lab

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics import STATISTICS
from gan.control import CONTROLS, TARGET_RANGES, ControlName

Array = NDArray[np.float64]

NAMES: tuple[ControlName, ...] = tuple(CONTROLS)
CHANNELS: Mapping[ControlName, int] = {"red": 0, "green": 1, "blue": 2}
AVERAGED = [name for name in NAMES if name not in ("hue", "colourfulness")]


@cache
def all_of_srgb() -> tuple[Array, Array, Array]:
    """L*, HSV saturation and RGB of a grid over the whole cube and its greys, in scikit-image."""
    # Lightness is steepest in the dark, and blue is worth so little of it that near white only
    # a fine grid finds the extremes.
    axis = np.r_[0:0.12:0.005, 0.12:0.8:0.02, 0.8:1.002:0.004]
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    greys = np.linspace(0, 1, 1001)[:, None].repeat(3, axis=1)
    grid = np.concatenate([grid, greys])[None]
    return rgb2lab(grid)[0, :, 0], rgb2hsv(grid)[0, :, 1], grid[0]


def of_all_of_srgb(name: ControlName) -> Array:
    """A statistic of every colour of ``all_of_srgb``, from scikit-image."""
    _, saturation, rgb = all_of_srgb()
    if name == "saturation":
        return saturation
    if name in CHANNELS:
        return rgb[:, CHANNELS[name]]
    _, a, b = rgb2lab(rgb[None])[0].T
    chroma, angle = np.hypot(a, b), np.degrees(np.arctan2(b, a))
    warmth = -0.5 + 0.02 * chroma**1.07 * np.cos(np.radians(angle - 50))
    values: Array = {"chroma": chroma, "a": a, "b": b, "warmth": warmth}[name]
    return values


def reachable(name: ControlName, lightness: float, target: float) -> float:
    l = torch.full((1, 1, 2, 2), lightness / 50 - 1)  # noqa: E741
    return STATISTICS[name].reachable(l, target).item()


@pytest.mark.parametrize("lightness", [5, 20, 40, 60, 80, 90, 95, 97, 98, 99])
@pytest.mark.parametrize("name", AVERAGED)
def test_reachable_is_what_a_search_of_all_colours_finds(name: ControlName, lightness: int) -> None:
    l, _, _ = all_of_srgb()  # noqa: E741
    low, high = TARGET_RANGES[name]
    # The search finds colours within 0.25 of this L*, and few at the very corners of the gamut.
    there = of_all_of_srgb(name)[np.abs(l - lightness) <= 0.25]
    tolerance = 0.06 * (high - low)
    near = (lightness - 0.25, lightness, lightness + 0.25)
    highest, lowest = ([reachable(name, x, end) for x in near] for end in (high, low))
    assert min(highest) - tolerance <= there.max() <= max(highest) + tolerance
    assert min(lowest) - tolerance <= there.min() <= max(lowest) + tolerance


@pytest.mark.parametrize("lightness", [10.0, 30.0, 40.0, 55.0, 70.0, 85.0, 95.0, 98.0])
@pytest.mark.parametrize(("name", "weight"), [("red", 0.2126), ("green", 0.7152), ("blue", 0.0722)])
def test_a_channel_reaches_what_its_share_of_the_luminance_allows(
    name: ControlName, weight: float, lightness: float
) -> None:
    def encoded(linear: float) -> float:
        x = min(1.0, max(0.0, linear))
        return 12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055

    luminance = ((lightness + 16) / 116) ** 3
    # All the others are off where it is highest, and on where it is lowest.
    highest, lowest = reachable(name, lightness, 1.0), reachable(name, lightness, 0.0)
    assert highest == pytest.approx(encoded(luminance / weight), abs=0.002)
    assert lowest == pytest.approx(encoded((luminance - 1 + weight) / weight), abs=0.002)


def test_facts_about_what_is_reachable() -> None:
    assert reachable("saturation", 90, 1.0) == pytest.approx(1, abs=0.01), "yellow"
    assert 0.15 < reachable("saturation", 99, 1.0) < 0.3
    assert reachable("saturation", 100, 1.0) < 0.001, "white"
    assert reachable("saturation", 0, 1.0) < 0.001, "black"
    assert reachable("red", 40, 1.0) == pytest.approx(0.76, abs=0.01)


def test_a_target_within_reach_is_reached() -> None:
    for name in NAMES:
        low, high = TARGET_RANGES[name]
        target = low + 0.45 * (high - low)
        assert reachable(name, 50, target) == pytest.approx(target)


def test_a_picture_reaches_the_mean_of_what_its_pixels_reach() -> None:
    half_white = torch.cat([torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)], dim=3)
    highest = STATISTICS["saturation"].reachable(half_white, 1.0).item()
    white = reachable("saturation", 100, 1.0)
    assert highest == pytest.approx((reachable("saturation", 50, 1.0) + white) / 2)
    assert STATISTICS["red"].reachable(half_white, 0.1).item() > 0.48


@pytest.mark.parametrize("lightness", [0.0, 3.0, 50.0, 99.0])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_any_hue_is_reachable(lightness: float, target: float) -> None:
    assert reachable("hue", lightness, target) == pytest.approx(target)


@pytest.mark.parametrize("name", AVERAGED)
def test_no_colouring_exceeds_what_is_reachable(name: ControlName) -> None:
    random = torch.Generator().manual_seed(0)
    statistic = STATISTICS[name]
    low, high = TARGET_RANGES[name]
    # One picture for each L*, each of one colour per try; the most extreme of 400 tries.
    l = torch.linspace(-1, 1, 81).view(-1, 1, 1, 1).expand(-1, 1, 20, 20)  # noqa: E741
    ab = torch.rand(81, 2, 20, 20, generator=random) * 2 - 1
    assert statistic.per_pixel is not None
    values = statistic.per_pixel(l_ab_to_rgb(l, ab)).flatten(1)
    highest, lowest = statistic.reachable(l, high), statistic.reachable(l, low)
    tolerance = 0.004 * statistic.span
    assert (values.amax(dim=1) - highest).max() < tolerance
    assert (lowest - values.amin(dim=1)).max() < tolerance


def test_no_colouring_is_more_colourful_than_the_bound_and_one_comes_near() -> None:
    random = torch.Generator().manual_seed(0)
    statistic = STATISTICS["colourfulness"]
    l = torch.linspace(-0.9, 0.9, 7).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)  # noqa: E741
    bound = statistic.reachable(l, 280)
    ratios = []
    for _ in range(20):
        # Halves of two strong colours: apart as far as can be.
        ab = torch.randn(7, 2, 1, 2, generator=random).sign().repeat_interleave(8, dim=3)
        ab = ab.expand(7, 2, 16, 16) * torch.rand(7, 2, 1, 1, generator=random)
        ratios.append(statistic.measure(l_ab_to_rgb(l, ab)) / bound)
    assert torch.stack(ratios).max() < 1
    assert torch.stack(ratios).max() > 0.7
