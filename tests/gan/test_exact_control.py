import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from skimage.color import lab2rgb, rgb2hsv, rgb2lab
from torch import Tensor

from gan.colour.conversion import AB_SCALE, l_ab_to_rgb, rgb_to_l_ab
from gan.colour.exact_control import _searched, exact, fit
from gan.colour.statistic import Targets, of_each
from gan.colour.statistics import STATISTICS
from gan.colour.statistics.hue import hue_resultant
from gan.config import TrainConfig
from gan.control import CONTROLS, TARGET_RANGES, ControlName
from gan.data.batches import held_out, training_batch
from gan.data.datasets import Dataset
from tests.support.reachable import errors, search_as_on_a_gpu

NAMES: tuple[ControlName, ...] = tuple(CONTROLS)
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@pytest.fixture(scope="module")
def pictures(photos: Dataset) -> tuple[Tensor, Tensor]:
    """L and ab of held-out photographs."""
    return rgb_to_l_ab(held_out(photos.test, TrainConfig(steps=1, eval_images=36))[0])


@pytest.fixture(scope="module")
def training(photos: Dataset) -> tuple[Tensor, Tensor]:
    """L and ab of training photographs."""
    return rgb_to_l_ab(training_batch(photos.train, TrainConfig(steps=1, batch_size=64), 0))


def to(l: Tensor, **targets: float) -> Targets:  # noqa: E741
    return of_each({name: targets[name] for name in NAMES if name in targets}, l)


def plain(lightness: float, a: float, b: float) -> tuple[Tensor, Tensor]:
    """One 8x8 picture of one colour, in the units of Lab."""
    l = torch.full((1, 1, 8, 8), lightness / 50 - 1)  # noqa: E741
    return l, (torch.tensor([a, b]) / AB_SCALE).view(1, 2, 1, 1).expand(1, 2, 8, 8)


def degrees(ab: Tensor) -> Tensor:
    """Hue of Lab: (N, H, W)."""
    return torch.atan2(ab[:, 1], ab[:, 0]).rad2deg()


def apart(first: Tensor, second: Tensor) -> Tensor:
    """Degrees between hues, around the circle."""
    return ((first - second + 180) % 360 - 180).abs()


# What ``reachable`` promises of colourfulness beyond is a bound that few pictures attain.
ATTAINED = [
    (name, share) for name in NAMES for share in SHARES if name != "colourfulness" or share <= 0.25
]


@pytest.mark.parametrize("at_once", [1, 3, 31])
def test_a_search_ends_at_each_pictures_own_root(at_once: int) -> None:
    low, high = torch.tensor([0.0, -1.0, 2.0]), torch.tensor([2.0, 1.0, 3.0])
    wanted = torch.tensor([0.3, 0.7, 2.001])
    missed = torch.tensor([0.2, 0.0, -0.4])

    def error(places: Tensor) -> Tensor:
        return places**3 - (wanted**3 + missed).repeat(at_once)

    found = _searched(error, at_once, low, high, 10, missed)
    assert bool(((found - wanted).abs() <= (high - low) / 2**11 + 1e-6).all())


@pytest.mark.parametrize(
    ("name", "share", "many_at_once"),
    [(*each, False) for each in ATTAINED]
    + [(*each, True) for each in ATTAINED if each[1] in (0.0, 0.25, 0.9)],
)
def test_every_target_is_met_or_the_nearest_value_that_lightness_permits(
    pictures: tuple[Tensor, Tensor],
    monkeypatch: pytest.MonkeyPatch,
    name: ControlName,
    share: float,
    many_at_once: bool,
) -> None:
    if many_at_once:
        search_as_on_a_gpu(monkeypatch)
    l, ab = pictures  # noqa: E741
    low, high = TARGET_RANGES[name]
    targets = to(l, **{name: low + share * (high - low)})
    error = errors(name, l, exact(l, ab, targets), targets[name])
    assert error.mean() <= 0.005
    assert error.max() <= 0.015


def test_colourfulness_comes_near_its_bound_nearer_than_by_scaling(
    pictures: tuple[Tensor, Tensor],
) -> None:
    l, ab = pictures  # noqa: E741
    statistic = STATISTICS["colourfulness"]
    bound = statistic.reachable(l, 280)
    reached = statistic.measure(l_ab_to_rgb(l, exact(l, ab, to(l, colourfulness=280))))
    scaled = statistic.measure(l_ab_to_rgb(l, 30 * ab))
    assert (reached / bound).mean() > 0.8
    assert (reached / bound).mean() > (scaled / bound).mean() + 0.05


@pytest.mark.parametrize("name", NAMES)
def test_lightness_is_kept_whatever_is_asked_for(
    pictures: tuple[Tensor, Tensor], name: ControlName
) -> None:
    l, ab = (x[:6] for x in pictures)  # noqa: E741
    for target in TARGET_RANGES[name]:
        moved = exact(l, ab, to(l, **{name: target}))
        shown = l_ab_to_rgb(l, moved)
        assert moved.isfinite().all()
        kept = rgb2lab(shown.permute(0, 2, 3, 1).double().numpy())[..., 0]
        np.testing.assert_allclose(kept, (l[:, 0] + 1) * 50, atol=0.1)
        torch.testing.assert_close(rgb_to_l_ab(shown)[1], moved, atol=2e-3, rtol=0)


# Which pixels move, and by how much


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_fading_is_the_scale_that_scipy_finds_in_scikit_image(
    pictures: tuple[Tensor, Tensor],
) -> None:
    for l, ab in zip(*(x[:4, None] for x in pictures), strict=True):  # noqa: E741
        rgb = l_ab_to_rgb(l, ab)
        lab = rgb2lab(rgb[0].permute(1, 2, 0).double().numpy())
        wanted = 0.4 * STATISTICS["saturation"].measure(rgb).item()

        def excess(scale: float, lab: Any = lab, wanted: float = wanted) -> float:
            scaled = lab2rgb(lab * [1, scale, scale])
            return float(rgb2hsv(np.clip(scaled, 0, 1))[..., 1].mean() - wanted)

        moved = exact(l, ab, to(l, saturation=wanted))
        scale = brentq(excess, 0, 1)
        assert (moved.norm() / ab.norm()).item() == pytest.approx(scale, rel=0.005)
        torch.testing.assert_close(moved, scale * ab, atol=1e-3, rtol=0)


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_a_shift_is_the_one_that_scipy_finds_in_scikit_image() -> None:
    l = torch.linspace(-0.2, 0.4, 64).view(1, 1, 8, 8)  # noqa: E741 - far inside the gamut
    ab = 0.05 * torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    lab = torch.cat([50 * (l + 1), AB_SCALE * ab], dim=1)[0].permute(1, 2, 0).double().numpy()
    moved = exact(l, ab, to(l, blue=0.6)) - ab
    direction = (moved / moved.norm(dim=1, keepdim=True)).mean(dim=(0, 2, 3)).double().numpy()

    def excess(shift: float) -> float:
        return float(lab2rgb(lab + np.r_[0, shift * direction])[..., 2].mean() - 0.6)

    shift = brentq(excess, 0, 60) / AB_SCALE
    assert shift > 0.05
    torch.testing.assert_close(moved.norm(dim=1), torch.full((1, 8, 8), shift), atol=2e-3, rtol=0)


def test_growing_keeps_the_hues_of_a_picture_that_is_within_reach(
    pictures: tuple[Tensor, Tensor],
) -> None:
    l, ab = pictures[0], 0.5 * pictures[1]  # noqa: E741
    own = STATISTICS["saturation"].measure(l_ab_to_rgb(l, ab))
    moved = exact(l, ab, {"saturation": 1.3 * own})
    coloured = (ab.norm(dim=1) > 0.03) & (moved.norm(dim=1) < 0.5)
    turned = apart(degrees(moved), degrees(ab))[coloured]
    assert turned.mean() < 1
    assert turned.quantile(0.99) < 5


def test_only_pixels_whose_hue_forbids_it_turn_to_be_saturated(
    pictures: tuple[Tensor, Tensor],
) -> None:
    l, ab = pictures  # noqa: E741
    ab = torch.where(ab.norm(dim=1, keepdim=True) > 0.06, ab, 0.0)
    rim = l_ab_to_rgb(l, 1.25 * ab / ab.norm(dim=1, keepdim=True).clamp(min=1e-6))
    saturation = STATISTICS["saturation"].per_pixel
    assert saturation is not None
    full = saturation(rim) > 0.999
    coloured = ab.norm(dim=1) > 0
    shown = l_ab_to_rgb(l, exact(l, ab, to(l, saturation=1.0)))
    change = (shown - rim).abs().amax(dim=1)
    # Up to the unit of Lab that a pixel is given of its surroundings.
    assert change[coloured & full].quantile(0.95) < 0.15
    assert change[coloured & full].mean() < 0.05
    assert change[coloured & ~full].mean() > 0.3


@pytest.mark.parametrize(
    ("lightness", "a", "b"), [(80, 0, -20), (70, -10, -30), (85, 25, 5), (75, 25, -25)]
)
def test_a_pixel_turns_to_the_nearest_hue_that_permits_the_saturation(
    lightness: float, a: float, b: float
) -> None:
    l, ab = plain(lightness, a, b)  # noqa: E741
    shown = l_ab_to_rgb(l, exact(l, ab, to(l, saturation=1.0)))
    around = torch.arange(-180, 181) * (math.pi / 180)
    angle = math.atan2(b, a) + around
    rim = torch.stack([angle.cos(), angle.sin()])[None, :, None] * 1.25
    tried = l_ab_to_rgb(torch.full((1, 1, 1, 361), lightness / 50 - 1), rim)[0, :, 0]
    saturation = (tried.amax(dim=0) - tried.amin(dim=0)) / tried.amax(dim=0)
    nearest = min((abs(x), i) for i, x in enumerate(around.tolist()) if saturation[i] > 0.995)[1]
    assert abs(around[nearest]) > math.radians(5), "it has to turn"
    assert (shown[0, :, 0, 0] - tried[:, nearest]).abs().max() < 0.05


def test_turning_the_hue_keeps_the_chroma_and_turns_all_pixels_alike(
    pictures: tuple[Tensor, Tensor],
) -> None:
    # So faint that nothing leaves the gamut. Where hues nearly cancel, a tint comes first.
    agree = hue_resultant(l_ab_to_rgb(pictures[0], 0.1 * pictures[1])) > 0.3
    l, ab = pictures[0][agree], 0.1 * pictures[1][agree]  # noqa: E741
    assert len(l) > 25
    own = STATISTICS["hue"].measure(l_ab_to_rgb(l, ab))
    moved = exact(l, ab, {"hue": (own + 0.05) % 1})
    assert (moved.norm(dim=1) - ab.norm(dim=1)).abs().quantile(0.99) < 1e-3
    for one, before in zip(moved[:, None], ab[:, None], strict=True):
        turned = torch.deg2rad(degrees(one) - degrees(before))[before.norm(dim=1) > 0.01]
        mean = torch.exp(1j * turned).mean()
        assert abs(mean) == pytest.approx(1, abs=1e-3), "all by the same angle"
        assert abs(math.degrees(math.atan2(mean.imag, mean.real))) < 60, "the short way"


# Pictures without colours


@pytest.mark.parametrize("name", NAMES)
def test_a_grey_picture_is_given_colours(name: ControlName) -> None:
    low, high = TARGET_RANGES[name]
    l, ab = plain(50, 0, 0)  # noqa: E741
    targets = to(l, **{name: low + 0.6 * (high - low)})
    if name == "colourfulness":  # one colour has no deviation
        targets = to(l, colourfulness=20.0)
    moved = exact(l, ab, targets)
    assert errors(name, l, moved, targets[name]).item() < 0.002
    if name == "saturation":
        assert 0 < degrees(moved).mean() < 100, "warm"


@pytest.mark.parametrize("target", [0.0, 0.3, 0.6])
def test_hues_that_cancel_are_tinted_first(target: float) -> None:
    strong = 0.1 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)
    ab = torch.stack([strong, 0.5 * strong])[None]
    l = torch.zeros(1, 1, 8, 8)  # noqa: E741
    moved = exact(l, ab, to(l, hue=target))
    assert errors("hue", l, moved, torch.tensor([target])).item() < 0.002
    assert (moved - moved.mean(dim=(2, 3), keepdim=True)).norm() > 0.5 * ab.norm(), "only tinted"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lightness", [0.0, 100.0])
def test_black_and_white_stay(name: ControlName, lightness: float) -> None:
    l, ab = plain(lightness, 10, -20)  # noqa: E741
    for target in TARGET_RANGES[name]:
        shown = l_ab_to_rgb(l, exact(l, ab, to(l, **{name: target})))
        assert (shown - lightness / 100).abs().max() < 1e-3


# Several controls, many targets


@pytest.mark.parametrize(
    ("targets", "within"),
    [
        ({"saturation": 0.35, "hue": 0.6}, {"saturation": 0.001, "hue": 0.01}),
        ({"saturation": 0.5, "hue": 0.1}, {"saturation": 0.001, "hue": 0.01}),
        ({"saturation": 0.75, "hue": 0.6}, {"saturation": 0.002, "hue": 0.03}),
        ({"a": 10.0, "b": -10.0}, {"a": 0.002, "b": 0.002}),
    ],
)
@pytest.mark.parametrize("strength", [1.0, 0.1, 0.0])
def test_several_targets_are_met_together(
    pictures: tuple[Tensor, Tensor],
    targets: dict[str, float],
    within: dict[ControlName, float],
    strength: float,
) -> None:
    l, ab = pictures  # noqa: E741
    aims = to(l, **targets)
    moved = exact(l, strength * ab, aims)
    for name, tolerance in within.items():
        assert errors(name, l, moved, aims[name]).mean() < tolerance


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("move", [exact, fit])
def test_each_picture_has_a_target_of_its_own(
    pictures: tuple[Tensor, Tensor], name: ControlName, move: Any
) -> None:
    l, ab = (x[:5] for x in pictures)  # noqa: E741
    low, high = TARGET_RANGES[name]
    targets = torch.linspace(low, high, 5)
    together = move(l, ab, {name: targets})
    alone = [move(l[i : i + 1], ab[i : i + 1], {name: targets[i : i + 1]}) for i in range(5)]
    assert (together - torch.cat(alone)).abs().quantile(0.99) < 2e-3
