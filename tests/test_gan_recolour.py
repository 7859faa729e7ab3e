from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2hsv, rgb2lab
from torch import Tensor

from gan.color import l_ab_to_rgb, rgb_to_l_ab
from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.controls import STATISTICS
from gan.data import held_out
from gan.datasets import Dataset
from gan.recolour import recolour


@pytest.fixture(scope="module")
def pictures(photos: Dataset) -> tuple[Tensor, Tensor]:
    """L and ab of held-out photographs."""
    return rgb_to_l_ab(held_out(photos.test, TrainConfig(steps=1, eval_images=24)))


def to(**targets: float) -> dict[ControlName, Control]:
    config = TrainConfig.model_validate(
        {"steps": 1, "controls": {name: {"target": target} for name, target in targets.items()}}
    )
    return config.controls


@pytest.mark.parametrize(
    ("targets", "tolerance"),
    [
        ({"saturation": 0.0}, 0.001),
        ({"saturation": 0.25}, 0.001),
        ({"hue": 0.0}, 0.002),
        ({"hue": 0.6}, 0.002),
        ({"red": 0.5}, 0.002),
        ({"chroma": 12.0}, 0.05),
        ({"a": 5.0}, 0.05),
        ({"b": -8.0}, 0.05),
        ({"colourfulness": 20.0}, 0.05),
    ],
)
def test_a_target_that_colours_allow_is_met_by_every_picture(
    pictures: tuple[Tensor, Tensor], targets: dict[str, float], tolerance: float
) -> None:
    l, ab = pictures  # noqa: E741
    rgb = l_ab_to_rgb(l, recolour(l, ab, to(**targets)))
    for name, control in to(**targets).items():
        statistic = STATISTICS[name]
        reachable = statistic.reachable(l, control.target)
        distance = statistic.distance(statistic.measure(rgb), reachable)
        # Some photographs have pixels whose hue cannot be as strong as their share asks.
        assert distance.quantile(0.8) < tolerance
        before = statistic.distance(statistic.measure(l_ab_to_rgb(l, ab)), reachable)
        assert distance.mean() < 0.2 * before.mean()


def test_saturating_scales_the_chroma_of_a_picture_and_keeps_its_hues(
    pictures: tuple[Tensor, Tensor],
) -> None:
    l, ab = pictures[0], 0.1 * pictures[1]  # noqa: E741 - so faint that nothing leaves the gamut
    moved = recolour(l, ab, to(saturation=0.08))
    factor = moved.norm(dim=1).sum(dim=(1, 2)) / ab.norm(dim=1).sum(dim=(1, 2))
    assert (moved - ab * factor.view(-1, 1, 1, 1)).abs().quantile(0.99) < 1e-3
    assert factor.min() > 0


def test_turning_the_hue_keeps_the_chroma(pictures: tuple[Tensor, Tensor]) -> None:
    l, ab = pictures[0], 0.1 * pictures[1]  # noqa: E741 - so faint that nothing leaves the gamut
    moved = recolour(l, ab, to(hue=0.6))
    assert (moved.norm(dim=1) - ab.norm(dim=1)).abs().quantile(0.99) < 1e-3
    angle = torch.atan2(moved[:, 1], moved[:, 0]) - torch.atan2(ab[:, 1], ab[:, 0])
    strong = ab.norm(dim=1) > 0.01
    for one, where in zip(angle, strong, strict=True):
        turns = torch.exp(1j * one[where])
        assert turns.mean().abs().item() == pytest.approx(1, abs=1e-3), "all by the same angle"


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_it_is_what_scikit_image_finds_by_trying_every_scale(
    pictures: tuple[Tensor, Tensor],
) -> None:
    l, ab = (x[:1] for x in pictures)  # noqa: E741
    moved = recolour(l, ab, to(saturation=0.3))
    scale = (moved.norm() / ab.norm()).item()
    lab = rgb2lab(l_ab_to_rgb(l, ab)[0].permute(1, 2, 0).numpy())

    def saturation(factor: float) -> Any:
        scaled = lab * [1, factor, factor]
        return rgb2hsv(np.clip(lab2rgb(scaled), 0, 1))[..., 1].mean()

    # It clips where we desaturate, which few of its pixels need at this saturation.
    best = min(np.linspace(0, 6, 601), key=lambda factor: abs(saturation(factor) - 0.3))
    assert scale == pytest.approx(best, rel=0.1)


def test_several_targets_are_met_together(pictures: tuple[Tensor, Tensor]) -> None:
    l, ab = pictures  # noqa: E741
    aims = to(saturation=0.3, hue=0.1)
    rgb = l_ab_to_rgb(l, recolour(l, ab, aims))
    for name, control in aims.items():
        statistic = STATISTICS[name]
        assert statistic.distance(statistic.measure(rgb), control.target).mean() < 0.02


def test_a_grey_picture_is_shifted_but_cannot_be_scaled() -> None:
    l, ab = torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4)  # noqa: E741
    assert not recolour(l, ab, to(saturation=0.5)).any()
    shifted = recolour(l, ab, to(b=20.0))
    assert STATISTICS["b"].measure(l_ab_to_rgb(l, shifted)).item() == pytest.approx(20, abs=0.1)


def test_what_no_amount_meets_is_met_as_nearly_as_can_be(pictures: tuple[Tensor, Tensor]) -> None:
    l, ab = (x[:8] for x in pictures)  # noqa: E741
    statistic = STATISTICS["saturation"]
    error = (statistic.measure(l_ab_to_rgb(l, recolour(l, ab, to(saturation=1.0)))) - 1).abs()
    scan = torch.stack(
        [(statistic.measure(l_ab_to_rgb(l, ab * s)) - 1).abs() for s in np.geomspace(0.1, 80, 60)]
    )
    assert (error - scan.amin(dim=0)).max() < 0.02


def test_lightness_is_kept_whatever_is_asked_for(pictures: tuple[Tensor, Tensor]) -> None:
    l, ab = (x[:6] for x in pictures)  # noqa: E741
    for aims in (to(saturation=1.0, hue=0.0), to(saturation=1.0, chroma=134, colourfulness=200)):
        moved = recolour(l, ab, aims)
        kept, _ = rgb_to_l_ab(l_ab_to_rgb(l, moved))
        assert moved.isfinite().all()
        assert (kept - l).abs().max() < 0.01
