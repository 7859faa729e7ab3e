"""Every field of a config: in the trial's key, and in JSON."""

from functools import partial
from typing import Any

import pytest

from gan.config import TrainConfig
from gan.control import Control
from tests.support import factories

# A value other than the default for every field but the length.
OTHERS: dict[str, Any] = {
    "dataset": "cifar10",
    "dataset_path": "pictures",
    "image_size": 64,
    "base_channels": 32,
    "batch_size": 64,
    "seed": 1,
    "generator_lr": 1e-3,
    "discriminator_lr": 1e-3,
    "lr_decay_steps": 1e4,
    "lr_decay_rate": 0.5,
    "beta1": 0.0,
    "l1_weight": 10.0,
    "distribution_weight": 10.0,
    "distribution_scales": (0.0, 0.5),
    "fit": "none",
    "own_share": 0.25,
    "conditioning": "film",
    "penalty_weight": 10.0,
    "penalty_from_step": 0.5,
    "penalty_on": "both",
    "upsampling": "transposed",
    "label_smoothing": 0.0,
    "lr_plateau_steps": 500,
    "discriminator_every": 2,
    "generator_loss": "minimax",
    "initialization": "normal",
    "head_gain": 1.0,
    "batch_norm": False,
    "downsampling": "pooling",
    "leaky_slope": 0.0,
    "recolour": True,
    "augment": False,
    "controls": {"hue": {"target": 0.5}},
    "log_every": 10,
    "evaluate_every": 100,
    "eval_images": 100,
    "eval_half": "first",
    "eval_targets": ({"hue": 0.5},),
    "precision": "float32",
}


OF_INPUTS = ("own_share", "conditioning", "eval_targets")
OF_CONTROL = ("fit", "penalty_weight", "penalty_from_step", "penalty_on", *OF_INPUTS)


config = partial(factories.config, steps=10)


def test_the_key_is_ten_hex_digits() -> None:
    assert len(config().key()) == 10
    assert set(config().key()) <= set("0123456789abcdef")


def test_the_key_is_the_same_in_every_process_and_release() -> None:
    # A change here makes finished trials train again: raise KEY_SCHEMA when that is meant.
    assert config().key() == "1d2a017099"
    assert config(seed=1, controls={"hue": {"target": 0.5}}).key() == "683ad4381c"


def test_the_length_is_no_part_of_the_key() -> None:
    keys = {config(steps=5).key(), config(steps=6).key(), config(steps=None, epochs=1).key()}
    assert len(keys) == 1


@pytest.mark.parametrize("field", sorted(set(TrainConfig.model_fields) - {"steps", "epochs"}))
def test_spelling_out_a_default_changes_no_key(field: str) -> None:
    default = TrainConfig.model_fields[field].default
    assert config(**{field: default}).key() == config().key()


def test_spelling_out_a_controls_default_weight_changes_no_key() -> None:
    short = config(controls={"hue": {"target": 0.5}})
    weight = Control.model_fields["weight"].default
    assert config(controls={"hue": {"target": 0.5, "weight": weight}}).key() == short.key()


@pytest.mark.parametrize("field", sorted(set(TrainConfig.model_fields) - {"steps", "epochs"}))
def test_every_other_field_is_part_of_the_key(field: str) -> None:
    base: dict[str, Any] = {"dataset": "cifar100"} if field == "dataset_path" else {}
    if field == "recolour":
        base = {"controls": {"hue": {"target": 0.5, "weight": 0}}}
    if field in OF_CONTROL:
        # They mean something to a trial with control alone, and lambda is in each control.
        assert config(**{field: OTHERS[field]}).key() == config().key()
        target = "any" if field in OF_INPUTS else 0.5
        base = {"controls": {"hue": {"target": target}}}
    assert config(**base, **{field: OTHERS[field]}).key() != config(**base).key()


@pytest.mark.parametrize(
    ("control", "fields"),
    [
        (
            {"target": 0.5},
            {"own_share": 0.25, "conditioning": "film", "eval_targets": [{"hue": 0}]},
        ),
        ({"target": "any", "weight": 0}, {"penalty_from_step": 0.5, "penalty_on": "both"}),
    ],
    ids=str,
)
def test_what_a_trial_does_not_look_at_changes_no_key(
    control: dict[str, Any], fields: dict[str, Any]
) -> None:
    controls = {"hue": control}
    assert config(controls=controls, **fields).key() == config(controls=controls).key()


def test_target_weight_and_name_of_a_control_are_parts_of_the_key() -> None:
    keys = {
        config(controls=controls).key()
        for controls in (
            {},
            {"hue": {"target": 0}},
            {"hue": {"target": 0.5}},
            {"red": {"target": 0.5}},
            {"hue": {"target": 0.5, "weight": 1}},
            {"hue": {"target": 0.5}, "red": {"target": 0.5}},
        )
    }
    assert len(keys) == 6


def test_the_key_depends_on_values_not_on_how_they_are_written() -> None:
    a = config(controls={"red": {"target": 1}, "hue": {"target": 0.5}}, lr_decay_steps=100)
    b = config(lr_decay_steps=1e2, controls={"hue": {"target": 0.5}, "red": {"target": 1.0}})
    assert a.key() == b.key()
    # The terms of the loss are added in this order, and rounding depends on it.
    assert list(a.controls) == list(b.controls)


def test_a_range_that_is_the_whole_one_is_the_same_trial() -> None:
    whole = {"saturation": {"target": "any"}}
    for same in ({"min": 0}, {"max": 1.0}, {"min": 0, "max": 1, "target": "any"}):
        assert config(controls={"saturation": same}).key() == config(controls=whole).key()
    intervals = [[0.6, 0.7], [0.1, 0.2]]
    keys = {
        config(controls={"saturation": {"hold_out": pairs}}).key()
        for pairs in (intervals, intervals[::-1])
    }
    assert len(keys) == 1


def test_a_config_survives_json() -> None:
    settings = {k: v for k, v in OTHERS.items() if k not in ("dataset", "dataset_path", "recolour")}
    original = config(**settings)
    assert TrainConfig.model_validate_json(original.model_dump_json()) == original
