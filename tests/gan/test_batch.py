import colorsys
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import kstest
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb, rgb_to_l_ab
from gan.config import TrainConfig
from gan.control import ControlName
from gan.data.batches import training_batch
from gan.data.datasets import Dataset
from gan.training.batch import Batch, Draws, prepare
from tests.support import factories

Array = NDArray[np.float64]
ANY: dict[str, Any] = {"saturation": {"target": "any"}}
HELD: list[list[float]] = [[0.0, 0.1], [0.3, 0.5]]


config = partial(factories.config, steps=100, batch_size=16, controls=ANY)


@pytest.fixture(scope="module")
def rgb(photos: Dataset) -> Tensor:
    """16 crops of photographs: (16, 3, 32, 32)."""
    return training_batch(photos.train, config(), 0)


def made(rgb: Tensor, of: TrainConfig, step: int = 0) -> Batch:
    return prepare(*rgb_to_l_ab(rgb), rgb, Draws.of(of, step), of)


def saturation(rgb: Tensor) -> Array:
    """Mean of HSV's saturation, pixel by pixel: (N,)."""
    pixels = rgb.double().permute(0, 2, 3, 1).numpy()
    return np.array(
        [np.mean([colorsys.rgb_to_hsv(*p)[1] for p in image.reshape(-1, 3)]) for image in pixels]
    )


def hue(rgb: Tensor) -> Array:
    """Angle of the mean of the three channels' pulls, in turns: (N,)."""
    means = rgb.double().mean(dim=(2, 3)).numpy()
    turns: Array = np.angle(means @ np.exp(2j * np.pi * np.arange(3) / 3)) / (2 * np.pi) % 1
    return turns


def drawn(of: TrainConfig, name: ControlName, steps: int) -> Array:
    return np.concatenate([Draws.of(of, step).targets[name].numpy() for step in range(steps)])


# Targets that are any


@pytest.mark.slow
def test_half_of_a_batch_has_its_own_values_and_its_own_colours(rgb: Tensor) -> None:
    batch = made(rgb, config())
    np.testing.assert_allclose(batch.targets["saturation"][:8], saturation(rgb[:8]), atol=2e-3)
    assert torch.equal(batch.fitted_ab[:8], batch.ab[:8])
    assert torch.equal(
        batch.targets["saturation"][8:], Draws.of(config(), 0).targets["saturation"][8:]
    )
    assert not any(
        torch.allclose(fitted, own, atol=1e-3)
        for fitted, own in zip(batch.fitted_ab[8:], batch.ab[8:], strict=True)
    )


@pytest.mark.parametrize(("share", "own"), [(0.0, 0), (0.25, 4), (1.0, 16)])
def test_the_share_of_own_values_is_the_configs(rgb: Tensor, share: float, own: int) -> None:
    batch = made(rgb, config(own_share=share))
    measured = np.abs(batch.targets["saturation"].numpy() - saturation(rgb)) < 2e-3
    assert measured.tolist() == [True] * own + [False] * (16 - own)
    assert torch.equal(batch.fitted_ab[:own], batch.ab[:own])


def test_the_pictures_and_their_colours_are_as_they_are(rgb: Tensor) -> None:
    batch = made(rgb, config())
    assert batch.rgb is rgb
    l, ab = rgb_to_l_ab(rgb)  # noqa: E741
    assert torch.equal(batch.l, l)
    assert torch.equal(batch.ab, ab)


@pytest.mark.parametrize(
    ("control", "intervals"),
    [
        ({"target": "any"}, [(0, 1)]),
        ({"min": 0.05, "max": 0.9}, [(0.05, 0.9)]),
        ({"target": "any", "hold_out": [[0.4, 0.6]]}, [(0, 0.4), (0.6, 1)]),
        ({"min": 0.2, "hold_out": [*HELD[1:], [0.8, 1.0]]}, [(0.2, 0.3), (0.5, 0.8)]),
    ],
    ids=str,
)
def test_the_others_targets_are_uniform_over_what_may_be_drawn(
    control: dict[str, Any], intervals: list[tuple[float, float]]
) -> None:
    of = config(batch_size=64, controls={"saturation": control})
    values = drawn(of, "saturation", 100)
    inside = [(values >= low) & (values <= high) for low, high in intervals]
    assert np.logical_or.reduce(inside).all(), "never where it is held out"
    # Laid end to end, the intervals are one, over which values are uniform.
    total, offset = sum(high - low for low, high in intervals), 0.0
    position = np.zeros_like(values)
    for (low, high), here in zip(intervals, inside, strict=True):
        position[here] = (values[here] - low + offset) / total
        offset += high - low
    assert kstest(position, "uniform").pvalue > 1e-3


def test_targets_of_two_controls_are_drawn_apart_from_each_other() -> None:
    of = config(batch_size=64, controls={"saturation": {"target": "any"}, "hue": {"target": "any"}})
    saturations, hues = (drawn(of, name, 60) for name in of.conditions)
    assert abs(np.corrcoef(saturations, hues)[0, 1]) < 0.06


def test_own_values_that_are_held_out_are_replaced(rgb: Tensor) -> None:
    control = {"target": "any", "hold_out": HELD}
    of = config(controls={"saturation": control}, own_share=1.0)
    batch, own = made(rgb, of), saturation(rgb)
    targets = batch.targets["saturation"].numpy()
    within = np.logical_or.reduce([(own > low) & (own < high) for low, high in HELD])
    assert 0 < within.sum() < 16, "of both kinds"
    np.testing.assert_allclose(targets[~within], own[~within], atol=2e-3)
    assert not any(((targets > low) & (targets < high)).any() for low, high in HELD)
    np.testing.assert_array_equal(
        targets[within], Draws.of(of, 0).targets["saturation"].numpy()[within]
    )
    # Their colours go with them, the others stay.
    shown = l_ab_to_rgb(batch.l, batch.fitted_ab)
    assert np.abs(saturation(shown) - targets)[within].mean() < 0.01
    stay = torch.from_numpy(~within)
    assert (shown - rgb)[stay].abs().mean() < 0.005


@pytest.mark.slow
def test_held_out_targets_are_never_seen_in_a_hundred_batches(photos: Dataset) -> None:
    of = config(controls={"saturation": {"target": "any", "hold_out": HELD}})
    for step in range(100):
        targets = made(training_batch(photos.train, of, step), of, step).targets["saturation"]
        assert not any(((targets > low) & (targets < high)).any() for low, high in HELD)


# Colours moved to targets


@pytest.mark.parametrize("target", [0.1, 0.35, 0.5])
def test_fitted_colours_have_a_fixed_target(rgb: Tensor, target: float) -> None:
    batch = made(rgb, config(controls={"saturation": {"target": target}}))
    assert (batch.targets["saturation"] == target).all()
    assert len(batch.targets["saturation"]) == 16
    shown = l_ab_to_rgb(batch.l, batch.fitted_ab)
    assert np.abs(saturation(shown) - target).mean() < 0.005
    # In their own lightness.
    torch.testing.assert_close(rgb_to_l_ab(shown)[0], batch.l, atol=2e-3, rtol=0)


def test_fitted_colours_have_the_targets_that_were_drawn(rgb: Tensor) -> None:
    of = config(controls={"saturation": {"min": 0.05, "max": 0.5}}, own_share=0.0)
    batch = made(rgb, of)
    found = saturation(l_ab_to_rgb(batch.l, batch.fitted_ab))
    assert np.abs(found - batch.targets["saturation"].numpy()).mean() < 0.005


@pytest.mark.parametrize("target", [0.0, 0.25, 0.6, 0.97, "any"])
def test_fitted_colours_have_their_hue(rgb: Tensor, target: Any) -> None:
    batch = made(rgb, config(controls={"hue": {"target": target}}, own_share=0.0))
    difference = hue(l_ab_to_rgb(batch.l, batch.fitted_ab)) - batch.targets["hue"].numpy()
    around = np.abs((difference + 0.5) % 1 - 0.5)
    assert around.mean() < 0.005


def test_a_fixed_and_any_target_are_met_together(rgb: Tensor) -> None:
    controls = {"saturation": {"target": 0.3}, "hue": {"target": "any"}}
    batch = made(rgb, config(controls=controls))
    assert (batch.targets["saturation"] == 0.3).all()
    own = hue(rgb[:8])
    np.testing.assert_allclose(batch.targets["hue"][:8], own, atol=1e-3)
    shown = l_ab_to_rgb(batch.l, batch.fitted_ab)
    # Those with their own hue too: their saturation is the trial's.
    assert np.abs(saturation(shown) - 0.3).mean() < 0.005
    turned = np.abs((hue(shown) - batch.targets["hue"].numpy() + 0.5) % 1 - 0.5)
    # Now and then no colours of that lightness have both, and the hue gives way.
    assert np.median(turned) < 0.002
    assert turned.mean() < 0.03
    assert not torch.allclose(batch.fitted_ab[:8], batch.ab[:8], atol=1e-3)


@pytest.mark.parametrize(
    "fields",
    [{"controls": {}}, {"fit": "none"}, {"controls": {"hue": {"target": 0.5}}, "fit": "none"}],
    ids=str,
)
def test_colours_are_the_photographs_where_nothing_fits(
    rgb: Tensor, fields: dict[str, Any]
) -> None:
    batch = made(rgb, config(**fields))
    assert batch.fitted_ab is batch.ab
    assert set(batch.targets) == set(config(**fields).controls)


def test_what_is_recoloured_is_trained_without_targets(rgb: Tensor) -> None:
    of = config().without_control().recoloured_as(config())
    batch = made(rgb, of)
    assert (batch.targets, batch.fitted_ab is batch.ab) == ({}, True)
    assert Draws.of(of, 0).targets == {}


def test_targets_follow_from_seed_and_step() -> None:
    first = Draws.of(config(), 5).targets["saturation"]
    torch.manual_seed(1)
    assert torch.equal(Draws.of(config(), 5).targets["saturation"], first)
    assert not torch.equal(Draws.of(config(), 6).targets["saturation"], first)
    assert not torch.equal(Draws.of(config(seed=1), 5).targets["saturation"], first)


def test_where_every_picture_has_its_own_values_none_is_moved(rgb: Tensor) -> None:
    every = config(own_share=1.0, controls={"hue": {"target": "any"}, **ANY})
    batch = made(rgb, every)
    assert torch.equal(batch.fitted_ab, batch.ab)
    np.testing.assert_allclose(batch.targets["saturation"], saturation(rgb), atol=2e-3)
