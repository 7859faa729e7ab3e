from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from gan.config import TrainConfig
from gan.control import Control
from tests.support import factories

config = partial(factories.config, steps=10)


@pytest.mark.parametrize("lengths", [{}, {"steps": 10, "epochs": 1}])
def test_the_length_is_either_steps_or_epochs(lengths: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="the length"):
        TrainConfig.model_validate(lengths)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "photos", "dataset_path": "x"}, "takes no dataset_path"),
        ({"dataset": "folder"}, "needs a dataset_path"),
        ({"dataset": "npz"}, "needs a dataset_path"),
    ],
)
def test_a_path_is_given_where_the_dataset_needs_one(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dataset": "folder", "dataset_path": "x"},
        {"dataset": "npz", "dataset_path": "x.npz"},
        {"dataset": "cifar10"},
        {"dataset": "cifar100", "dataset_path": "x"},
    ],
)
def test_datasets_that_are_named_as_they_should_be_are_accepted(fields: dict[str, Any]) -> None:
    assert config(**fields).dataset == fields.get("dataset", "photos")


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 0},
        {"batch_size": 1},
        {"image_size": 48},
        {"seed": -1},
        {"seed": 2**31},
        {"generator_lr": 0},
        {"generator_lr": float("inf")},
        {"l1_weight": float("nan")},
        {"beta1": 1},
        {"label_smoothing": 1},
        {"controls": {"hue": {"target": 1.01}}},
        {"controls": {"hue": {"target": -0.01}}},
        {"controls": {"hue": {"target": float("nan")}}},
        {"controls": {"hue": {"target": 0.5, "weight": -1}}},
        {"controls": {"hue": {"target": 0.5, "weight": float("inf")}}},
        {"controls": {"hue": {"weight": 1}}},
        {"controls": {"value": {"target": 0.5}}},
        {"controls": {"saturation": {"target": 1.01}}},
        {"controls": {"a": {"target": -87}}},
        {"controls": {"chroma": {"target": 135}}},
        {"preset": "grandparent"},
        {"discriminator_every": 0},
        {"generator_loss": "wasserstein"},
        {"dataset": "imagenet"},
        {"learning_rate": 1e-4},
    ],
)
def test_what_no_training_can_use_is_refused_by_name(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        config(**fields)


def test_a_config_is_not_changed_after_it_is_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config().seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        Control(target=0.5).weight = 1


@pytest.mark.parametrize(
    ("epochs", "images", "batch_size", "steps"),
    [
        (200, 50_000, 128, 78_125),
        (1, 50_000, 128, 391),
        (2, 50_000, 128, 782),
        (0.5, 100, 10, 5),
        (0.001, 100, 10, 1),
        (3, 10, 128, 1),
        (1.1, 100, 10, 11),
    ],
)
def test_epochs_are_as_many_steps_as_it_takes_to_see_every_image(
    epochs: float, images: int, batch_size: int, steps: int
) -> None:
    assert config(steps=None, epochs=epochs, batch_size=batch_size).total_steps(images) == steps


def test_steps_are_steps_whatever_the_dataset() -> None:
    assert config(steps=7).total_steps(50_000) == 7


@pytest.mark.parametrize("preset", [None, "original"])
def test_a_control_has_its_presets_weight_however_it_is_given(preset: str | None) -> None:
    given = {} if preset is None else {"preset": preset}
    weight = config(**given).penalty_weight
    for control in (Control(target=0.5), {"target": 0.5}):
        assert config(controls={"hue": control}, **given).controls["hue"].weight == weight
    chosen = config(controls={"hue": Control(target=0.5, weight=7)}, **given)
    assert chosen.controls["hue"].weight == 7


def test_a_preset_sets_what_is_not_given() -> None:
    parent = config(preset="parent", beta1=0.3)
    assert (parent.discriminator_every, parent.beta1) == (2, 0.3)
    assert parent.discriminator_lr == pytest.approx(parent.generator_lr / 10)
    assert parent.key() == TrainConfig.model_validate(parent.model_dump()).key()
    assert len({config().key(), config(preset="original").key(), parent.key()}) == 3


def test_what_is_recoloured_has_targets_and_no_weights() -> None:
    for controls in ({}, {"hue": {"target": 0.5}}):
        with pytest.raises(ValidationError, match="recolour needs controls, with weight 0"):
            config(recolour=True, controls=controls)
    steered = config(controls={"hue": {"target": 0.5}})
    baseline = steered.without_control()
    assert baseline.key() == config().key()
    recoloured = baseline.recoloured_as(steered)
    assert (recoloured.recolour, recoloured.controls["hue"].weight) == (True, 0)
    assert recoloured.without_control().key() == baseline.key()


def test_the_originals_recipe_is_what_its_document_says() -> None:
    original = config(preset="original")
    assert original.generator_lr == original.discriminator_lr == 2e-4
    assert (original.l1_weight, original.lr_decay_rate) == (100, 0.1)
    assert original.lr_plateau_steps is not None
    assert (original.initialization, original.head_gain, original.leaky_slope) == ("he", 1, 0.2)
    assert (original.generator_loss, original.downsampling) == ("non_saturating", "stride")
    assert original.batch_norm
    assert 0 < original.label_smoothing < 1
    assert original.beta1 < 0.9
    # And nothing that it does not have.
    assert (original.distribution_weight, original.fit) == (0, "none")
    assert (original.penalty_from_step, original.penalty_on) == (0, "generator")
    assert original.upsampling == "transposed"


def test_the_earlier_name_of_the_originals_recipe_is_accepted() -> None:
    assert config(preset="seed") == config(preset="original")
    with pytest.raises(ValidationError, match="preset: 'sead'; valid: original, parent"):
        config(preset="sead")
