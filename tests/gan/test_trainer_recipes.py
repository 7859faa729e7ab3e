from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan import checkpoint
from gan.config import TrainConfig
from gan.data.datasets import Dataset
from gan.training.plateaus import Plateaus
from gan.training.trainer import Trainer
from tests.support.trainings import Start, points, series, weights

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


# Steering


@pytest.fixture(scope="module")
def baseline(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return steer(photos, tmp_path_factory.mktemp("baseline"), {})


def steer(photos: Dataset, trial: Path, controls: dict[str, Any]) -> dict[str, float]:
    """Train 60 steps on the photographs and measure on the held-out ones."""
    config = TrainConfig.model_validate(
        {
            "preset": "original",
            "head_gain": 0.05,
            "lr_plateau_steps": None,
            "base_channels": 8,
            "batch_size": 16,
            "steps": 60,
            "generator_lr": 2e-3,
            "evaluate_every": 60,
            "eval_images": 36,
            "controls": controls,
        }
    )
    of = Trainer(config, photos, CPU)
    assert of.fit(trial)
    metrics: dict[str, float] = of.training.history[-1]["metrics"]
    return metrics


@pytest.mark.slow
def test_steering_saturation_brings_it_to_the_target(
    photos: Dataset, baseline: dict[str, float], tmp_path: Path
) -> None:
    steered = steer(photos, tmp_path, {"saturation": {"target": 0.75}})
    # The mean of errors is at least the error of the mean.
    error_of_baseline = abs(baseline["eval/saturation"] - 0.75)
    assert error_of_baseline > 0.15
    assert steered["eval/saturation_error"] < 0.5 * error_of_baseline
    assert steered["eval/saturation"] == pytest.approx(0.75, abs=0.1)
    assert steered["eval/saturation_reachable"] == pytest.approx(0.75, abs=0.01)


@pytest.mark.slow
def test_steering_hue_brings_it_to_the_target(
    photos: Dataset, baseline: dict[str, float], tmp_path: Path
) -> None:
    steered = steer(photos, tmp_path, {"hue": {"target": 0.6}})
    error_of_baseline = abs((baseline["eval/hue"] - 0.6 + 0.5) % 1 - 0.5)
    assert error_of_baseline > 0.2
    assert steered["eval/hue_error"] < 0.3 * error_of_baseline
    assert steered["eval/hue"] == pytest.approx(0.6, abs=0.05)


# Recipes


def test_the_discriminator_learns_every_so_many_steps(start: Start) -> None:
    of = start(discriminator_every=3, log_every=1)
    changed = []
    for _ in range(7):
        before = _flat(of)
        of.training.train_step()
        changed.append(not torch.equal(before, _flat(of)))
    assert changed == [True, False, False, True, False, False, True]


def _flat(of: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in of.training.gan.discriminator.parameters()])


@pytest.mark.slow
def test_the_discriminators_loss_is_a_mean_over_its_own_updates(
    start: Start, tmp_path: Path
) -> None:
    every = start(discriminator_every=3, log_every=1, steps=10)
    every.fit(tmp_path / "every")
    some = start(discriminator_every=3, steps=10)
    some.fit(tmp_path / "some")
    each = series(every, "loss/discriminator")
    assert list(each) == [1, 4, 7, 10]
    wanted = {5: (each[1] + each[4]) / 2, 10: (each[7] + each[10]) / 2}
    assert series(some, "loss/discriminator") == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_plateaus_are_those_of_pytorchs_scheduler(patience: int) -> None:
    random = np.random.default_rng(patience)
    losses = 10 / np.arange(1, 61) ** 0.3 + random.normal(0, 0.6, 60)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=patience - 1
    )
    plateaus, factors, wanted = Plateaus(), [], []
    for step, loss in enumerate(losses, start=1):
        scheduler.step(float(loss))
        wanted.append(optimizer.param_groups[0]["lr"])
        plateaus = plateaus.after(float(loss), step, patience)
        factors.append(0.1**plateaus.count)
    assert min(wanted) < 0.05
    np.testing.assert_allclose(np.maximum(factors, 1e-8), np.maximum(wanted, 1e-8))


def test_plateaus_are_of_what_the_generator_pays(start: Start) -> None:
    of = start(
        controls={"saturation": {"target": 0.3}},
        penalty_on="both",
        lr_plateau_steps=15,
        log_every=1,
    )
    paid = []
    for _ in range(3):
        of.training.train_step()
        of.training.log_losses()
        metrics = of.training.history[-1]["metrics"]
        of_discriminator = ("loss/discriminator", "loss/saturation_read")
        assert all(name in metrics for name in of_discriminator)
        paid.append(sum(v for name, v in metrics.items() if name not in of_discriminator))
    assert of.training.plateaus.best == pytest.approx(min(paid))


@pytest.mark.slow
def test_a_plateau_lowers_the_rates_also_after_a_restart(start: Start, tmp_path: Path) -> None:
    # No loss falls where nothing is learnt.
    fields = {"generator_lr": 1e-12, "discriminator_lr": 1e-12, "lr_decay_steps": None}
    of = start(**fields, lr_plateau_steps=15, steps=40)
    assert of.fit(tmp_path)
    assert of.training.lr_factor() < 0.11
    (newest,) = [checkpoint.newest(tmp_path)]
    assert newest is not None
    again = start(**fields, lr_plateau_steps=15, steps=40)
    again.training.restore(newest)
    assert again.training.lr_factor() == of.training.lr_factor()


@pytest.mark.slow
def test_a_training_made_longer_is_one_that_was_so_long(start: Start, tmp_path: Path) -> None:
    # It ended between two points of the loss curve, and plateaus lower its rates.
    fields = {"generator_lr": 1e-3, "lr_plateau_steps": 5}
    whole = start(**fields, steps=23)
    assert whole.fit(tmp_path / "whole")
    for steps in (7, 18, 23):
        longer = start(**fields, steps=steps)
        assert longer.fit(tmp_path / "longer")
    assert whole.training.plateaus.count > 0
    assert longer.training.plateaus == whole.training.plateaus
    assert torch.equal(weights(longer), weights(whole))
    of_whole = series(whole, "loss/l1")
    assert {step: series(longer, "loss/l1")[step] for step in of_whole} == of_whole


# What is recoloured after training


@pytest.mark.slow
def test_a_recoloured_trial_trains_as_its_baseline_and_meets_the_target(
    start: Start, tmp_path: Path
) -> None:
    baseline = start(controls={}, steps=6, head_gain=1)
    assert baseline.fit(tmp_path / "baseline")
    aims = {"saturation": {"target": 0.3, "weight": 0}}
    alone = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert alone.fit(tmp_path / "alone")
    behind = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert behind.fit(tmp_path / "behind", baseline=tmp_path / "baseline")
    assert torch.equal(weights(alone), weights(baseline))
    assert torch.equal(weights(behind), weights(baseline))
    assert points(behind)[-1][1]["eval/saturation"] == points(alone)[-1][1]["eval/saturation"]
    assert points(behind)[-1][1]["eval/saturation_reachable_error"] < 0.01
    assert abs(points(baseline)[-1][1]["eval/saturation"] - 0.3) > 0.02
    again = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert again.fit(tmp_path / "behind", baseline=tmp_path / "baseline")
    assert points(again) == points(behind)


@pytest.mark.slow
def test_a_recoloured_trial_follows_a_baseline_that_trained_further(
    start: Start, tmp_path: Path
) -> None:
    fields = {"lr_plateau_steps": 5}
    aims = {"saturation": {"target": 0.3, "weight": 0}}
    for steps in (6, 12):
        baseline = start(controls={}, steps=steps, **fields)
        assert baseline.fit(tmp_path / "baseline")
        behind = start(controls=aims, steps=steps, recolour=True, **fields)
        taken = len(list((tmp_path / "behind").rglob("step-*.png")))
        behind.training.train_step = None  # type: ignore[method-assign, assignment]
        assert behind.fit(tmp_path / "behind", baseline=tmp_path / "baseline")
        assert len(list((tmp_path / "behind").rglob("step-*.png"))) == taken + 1
    assert list(series(behind, "eval/saturation")) == [6, 12]
    assert behind.training.plateaus == baseline.training.plateaus
    assert torch.equal(weights(behind), weights(baseline))
