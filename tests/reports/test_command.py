import shlex
from dataclasses import replace
from typing import Any

import pytest

from gan.config import TrainConfig
from gan.control import TARGET_RANGES
from gan.presets import PRESETS
from orchestrator.commands.train import config_of, train
from reports.command import as_trained, train_command
from reports.phase import TrialPhase
from reports.runs import TrialRun


def understood(command: str) -> TrainConfig:
    """What the command line makes of it."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("colorsweep", "train")
    given = train.make_context("train", words).params
    assert given.pop("name") == "a sweep"
    config, notes = config_of({key: value for key, value in given.items() if value is not None})
    assert notes == []
    return config


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 7},
        {"epochs": 1.5, "seed": 3},
        {"epochs": 200, "preset": "seed"},
        {"epochs": 200, "preset": "parent"},
        {"steps": 7, "label_smoothing": 0.5, "augment": False, "batch_norm": False},
        {"steps": 7, "dataset": "folder", "dataset_path": "my pictures/$HOME 'quoted'"},
        {"steps": 7, "generator_lr": 1e-5, "head_gain": 1.0, "beta1": 0.0, "lr_decay_steps": 1e4},
        {"steps": 7, "controls": {"hue": {"target": 0.6}, "saturation": {"target": 1 / 3}}},
        {"steps": 7, "controls": {"a": {"target": -20, "weight": 12.5}}},
        {"steps": 7, "controls": {"warmth": {"target": 1, "weight": 0}}, "recolour": True},
    ],
)
def test_the_command_trains_the_same_trial(settings: dict[str, Any]) -> None:
    config = TrainConfig.model_validate(settings)
    again = understood(train_command(config, "a sweep"))
    assert again == config
    assert again.key() == config.key()


def test_the_command_can_say_every_setting() -> None:
    other: dict[str, Any] = {
        "dataset": "npz",
        "dataset_path": "x.npz",
        "image_size": 64,
        "base_channels": 3,
        "steps": 5,
        "batch_size": 9,
        "seed": 8,
        "lr_plateau_steps": 11,
        "lr_decay_rate": 0.5,
        "discriminator_every": 2,
        "l1_weight": 0.25,
        "generator_loss": "minimax",
        "initialization": "normal",
        "downsampling": "pooling",
        "leaky_slope": 0.0,
        "log_every": 7,
        "evaluate_every": 3,
        "eval_images": 2,
        "precision": "float32",
        "controls": {name: {"target": high} for name, (_, high) in TARGET_RANGES.items()},
    }
    config = TrainConfig.model_validate(PRESETS["parent"] | {"augment": False} | other)
    assert understood(train_command(config, "a sweep")) == config


@pytest.mark.parametrize("length", [{"steps": 20}, {"epochs": 2.0}])
@pytest.mark.parametrize(("step", "epoch"), [(10, 1.0), (20, 2.0), (30, 3.0)])
def test_a_trial_that_is_longer_than_its_sweep_asks_is_trained_as_long_again(
    length: dict[str, float], step: int, epoch: float
) -> None:
    config = TrainConfig.model_validate(length)
    run = TrialRun("", "key", "", 0, "FINISHED", TrialPhase.FINISHED, "", config)
    again = as_trained(replace(run, step=step, epoch=epoch))
    assert again == (TrainConfig(steps=30) if step == 30 else config)
