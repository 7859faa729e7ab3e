import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import rgb2hsv, rgb2lab
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics import STATISTICS
from gan.colour.statistics.hue import mean_hue
from gan.colour.statistics.saturation import saturation_of_pixels
from gan.control import CONTROLS, Control, ControlName
from tests.support.loss_terms import penalties

Array = NDArray[np.float64]

NAMES: tuple[ControlName, ...] = tuple(CONTROLS)
CHANNELS: Mapping[ControlName, int] = {"red": 0, "green": 1, "blue": 2}
AVERAGED = [name for name in NAMES if name not in ("hue", "colourfulness")]


def pictures(count: int = 3, side: int = 4, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, side, side, generator=random, dtype=torch.float64)


def plain(*colour: float) -> Tensor:
    """One 2x2 picture of one colour."""
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 2, 2)


def by_hand(name: ControlName, picture: Array) -> float:
    """The statistic of one (3, H, W) picture, pixel by pixel."""
    values, x, y = [], 0.0, 0.0
    if name in ("chroma", "a", "b", "warmth"):
        _, a_star, b_star = rgb2lab(picture.transpose(1, 2, 0)).reshape(-1, 3).T
        chroma, angle = np.hypot(a_star, b_star), np.degrees(np.arctan2(b_star, a_star))
        warmth = -0.5 + 0.02 * chroma**1.07 * np.cos(np.radians(angle - 50))
        of = {"chroma": chroma, "a": a_star, "b": b_star, "warmth": warmth}
        return float(of[name].mean())
    if name == "colourfulness":
        red, green, blue = 255 * picture.reshape(3, -1)
        rg, yb = red - green, (red + green) / 2 - blue
        spread = math.sqrt(rg.std() ** 2 + yb.std() ** 2)
        return float(spread + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2))
    for r, g, b in picture.reshape(3, -1).T.tolist():
        if name == "saturation":
            values.append((max(r, g, b) - min(r, g, b)) / max(r, g, b) if max(r, g, b) else 0.0)
        elif name == "hue":
            # Red, green and blue pull at 0, 120 and 240 degrees.
            x += r + g * math.cos(2 * math.pi / 3) + b * math.cos(4 * math.pi / 3)
            y += g * math.sin(2 * math.pi / 3) + b * math.sin(4 * math.pi / 3)
        else:
            values.append((r, g, b)[CHANNELS[name]])
    if name == "hue":
        return math.atan2(y, x) / (2 * math.pi) % 1
    return sum(values) / len(values)


def test_there_is_one_statistic_for_each_name_of_a_control() -> None:
    assert set(STATISTICS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_statistic_is_its_definition(name: ControlName) -> None:
    rgb = pictures()
    wanted = [by_hand(name, picture) for picture in rgb.numpy()]
    # Kornia's constants have fewer digits than scikit-image's.
    exact = name in ("saturation", "hue", "red", "green", "blue", "colourfulness")
    rtol, atol = (1e-8, 0.0) if exact else (1e-3, 0.01)
    np.testing.assert_allclose(STATISTICS[name].measure(rgb), wanted, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_a_statistic_measures_each_picture_by_itself(name: ControlName) -> None:
    rgb = pictures()
    alone = [STATISTICS[name].measure(picture[None]).item() for picture in rgb]
    np.testing.assert_allclose(STATISTICS[name].measure(rgb), alone, rtol=1e-5)


def test_saturation_is_scikit_images() -> None:
    # Every shade of a screen, dark ones too.
    bytes_ = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    bytes_[:32] //= 32
    rgb = torch.from_numpy(bytes_ / 255).permute(2, 0, 1)[None]
    np.testing.assert_allclose(
        saturation_of_pixels(rgb)[0], rgb2hsv(bytes_ / 255)[..., 1], atol=1e-12
    )


@pytest.mark.parametrize(
    ("colour", "hue"),
    [
        ((1, 0, 0), 0),
        ((1, 1, 0), 1 / 6),
        ((0, 1, 0), 1 / 3),
        ((0, 1, 1), 1 / 2),
        ((0, 0, 1), 2 / 3),
        ((1, 0, 1), 5 / 6),
        ((0.5, 0.6, 0.5), 1 / 3),
    ],
)
def test_hue_of_a_plain_colour_is_its_angle_in_turns(
    colour: tuple[float, float, float], hue: float
) -> None:
    measured = STATISTICS["hue"].measure(plain(*colour))
    assert STATISTICS["hue"].distance(measured, hue).item() == pytest.approx(0, abs=1e-6)


def test_hue_of_a_mixture_lies_between_nearer_the_more_colourful() -> None:
    red, yellow, pale_yellow = plain(1, 0, 0), plain(1, 1, 0), plain(1, 1, 0.9)
    assert mean_hue(torch.cat([red, yellow], dim=3)).item() == pytest.approx(1 / 12)
    assert 0 < mean_hue(torch.cat([red, pale_yellow], dim=3)).item() < 1 / 48


def test_hue_around_red_is_averaged_across_zero() -> None:
    both = torch.cat([plain(1, 0.2, 0), plain(1, 0, 0.2)], dim=3)
    assert STATISTICS["hue"].distance(mean_hue(both), 0).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shade", [0.0, 0.25, 0.5, 1.0])
def test_a_grey_picture_has_finite_statistics_and_gradients(shade: float) -> None:
    for statistic in STATISTICS.values():
        rgb = plain(shade, shade, shade).clone().requires_grad_(True)
        value = statistic.measure(rgb)
        (grad,) = torch.autograd.grad(value.sum(), rgb)
        assert torch.isfinite(value).all()
        assert torch.isfinite(grad).all()


@pytest.mark.parametrize("lightness", [0.0, 1.0, 50.0, 99.0, 100.0])
@pytest.mark.parametrize("name", NAMES)
def test_no_picture_drowns_the_others_in_its_gradient(name: ControlName, lightness: float) -> None:
    # A black or white crop of a photograph has no hue and no say in it. For other pictures of
    # this chroma the norm is 0.01 to 4.
    l = torch.full((1, 1, 32, 32), lightness / 50 - 1)  # noqa: E741
    ab = 0.1 * torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    ab.requires_grad_(True)
    made = penalties(l_ab_to_rgb(l, ab), {name: Control(target=0.6, weight=1)})
    (grad,) = torch.autograd.grad(made[name], ab)
    assert grad.norm().item() < 100


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", [0.1, 0.6])
def test_the_gradient_of_a_control_is_that_of_finite_differences(
    name: ControlName, target: float
) -> None:
    controls: dict[ControlName, Control] = {name: Control(target=target, weight=3)}
    rgb = pictures(count=2, side=3).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: penalties(x, controls)[name], rgb)


@pytest.mark.parametrize(
    ("value", "target", "distance"),
    [
        (0.95, 0.05, 0.1),
        (0.05, 0.95, 0.1),
        (0.2, 0.5, 0.3),
        (0.25, 0.75, 0.5),
        (0.0, 0.9, 0.1),
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
    ],
)
def test_distance_of_hues_is_around_the_circle(
    value: float, target: float, distance: float
) -> None:
    measured = STATISTICS["hue"].distance(torch.tensor([value]), target)
    assert measured.item() == pytest.approx(distance, abs=1e-6)


def test_no_two_hues_are_further_apart_than_half_a_turn() -> None:
    hues = torch.linspace(0, 1, 41)
    distance = STATISTICS["hue"].distance(hues[:, None], hues[None])
    assert distance.max().item() == pytest.approx(0.5)
    assert torch.allclose(distance, distance.T, atol=1e-6)


@pytest.mark.parametrize("name", AVERAGED)
def test_distance_of_the_others_is_the_difference(name: ControlName) -> None:
    distance = STATISTICS[name].distance(torch.tensor([0.95, 0.05]), 0.05)
    np.testing.assert_allclose(distance, [0.9, 0], atol=1e-6)


def test_average_of_hues_is_on_the_circle_and_of_the_others_plain() -> None:
    values = torch.tensor([0.9, 0.1, 0.3])
    vectors = np.exp(2j * np.pi * values.double().numpy())
    on_circle = float(np.angle(vectors.sum()) / (2 * np.pi) % 1)
    assert on_circle == pytest.approx(0.1)
    assert STATISTICS["hue"].average(values) == pytest.approx(on_circle, abs=1e-6)
    assert STATISTICS["saturation"].average(values) == pytest.approx(1.3 / 3)


def test_an_exactly_grey_picture_can_become_saturated_again() -> None:
    l, ab = torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4, requires_grad=True)  # noqa: E741
    for _ in range(100):
        made = penalties(l_ab_to_rgb(l, ab), {"saturation": Control(target=0.7, weight=1)})
        (grad,) = torch.autograd.grad(made["saturation"], ab)
        ab = (ab - 0.02 * grad.sign()).detach().requires_grad_(True)
    assert STATISTICS["saturation"].measure(l_ab_to_rgb(l, ab)).item() == pytest.approx(
        0.7, abs=0.1
    )
