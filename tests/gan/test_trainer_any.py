"""A training with everything on: targets as inputs, fitted data, a late penalty of both kinds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gan.data.datasets import load
from gan.training import session
from gan.training.trainer import Trainer
from tests.support.streamed_images import streamed
from tests.support.trainings import Start, everything, points, small

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "steps": 20,
    "log_every": 4,
    "evaluate_every": 8,
    "eval_images": 4,
    "controls": {
        "saturation": {"min": 0.05, "max": 0.9, "hold_out": [[0.4, 0.6]]},
        "hue": {"target": "any"},
    },
    "eval_targets": [{"saturation": 0.3, "hue": 0.6}, {"saturation": 0.5, "hue": 0.1}],
    "penalty_from_step": 0.5,
    "penalty_on": "both",
    "discriminator_every": 2,
    "lr_plateau_steps": 30,
}


@pytest.fixture(scope="module")
def left_alone(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    config = small(small_npz, **EVERYTHING)
    of = Trainer(config, load(config), CPU)
    assert of.fit(tmp_path_factory.mktemp("alone"))
    return of


# Within a loss interval; the step after; at an evaluation; around the penalty's first step.
STOPS = (3, 4, 8, 9, 10, 11, 19)


@pytest.mark.slow
def test_a_training_stopped_anywhere_ends_with_the_same_bits(
    start: Start, left_alone: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    for stop in STOPS:
        part = start(**EVERYTHING)
        assert not part.fit(
            tmp_path,
            should_stop=lambda part=part, stop=stop: part.training.step == stop,  # type: ignore[misc]
        )
    last = start(**EVERYTHING)
    assert last.fit(tmp_path)
    assert points(last) == points(left_alone)
    assert everything(last) == everything(left_alone)


def test_everything_of_it_acts(left_alone: Trainer) -> None:
    logged = {step: metrics for step, metrics in points(left_alone) if "loss/l1" in metrics}
    read = {f"loss/{name}_read" for name in ("hue", "saturation")}
    always = {"loss/discriminator", "loss/adversarial", "loss/l1", "loss/distribution", *read}
    late = {f"loss/{name}{kind}" for name in ("hue", "saturation") for kind in ("", "_as_read")}
    assert {step: set(metrics) for step, metrics in logged.items()} == {
        **dict.fromkeys((4, 8), always),
        **dict.fromkeys((12, 16, 20), always | late),
    }
    assert all(np.isfinite(v) and v != 0 for metrics in logged.values() for v in metrics.values())


@pytest.mark.slow
def test_batches_decoded_ahead_train_the_same(
    small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(small_npz) as archive:
        for part in ("train", "test"):
            (tmp_path / part).mkdir()
            for n, picture in enumerate(archive[part]):
                Image.fromarray(picture).save(tmp_path / part / f"{n:02}.png")
    fields = {**EVERYTHING, "steps": 6, "dataset": "folder", "dataset_path": str(tmp_path)}
    config = small(small_npz, **fields)
    found = []
    for dataset in (load(config), streamed(config, monkeypatch)):
        of = Trainer(config, dataset, CPU)
        for _ in range(6):
            of.training.train_step()
        of.training.evaluate()
        found.append(everything(of))
        of.training.batches.close()
    for each in found:
        each.pop("trial.json")  # whose digest is of pixels or of names
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def after_12_steps(small_npz: Path) -> Tensor:
    """The head of its generator."""
    config = small(small_npz, **EVERYTHING)
    of = Trainer(config, load(config), CPU)
    return head_after_12_steps(of)


def head_after_12_steps(of: Trainer) -> Tensor:
    for _ in range(12):
        of.training.train_step()
    return of.training.gan.generator.head.weight


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"penalty_from_step": 0.75},
        {"own_share": 0.25},
        {"fit": "l1"},
        {"conditioning": "film"},
        {"distribution_scales": [0.0]},
        {"upsampling": "transposed"},
        {"controls": {"saturation": {"min": 0.05, "max": 0.9}, "hue": {"target": "any"}}},
    ],
    ids=str,
)
def test_every_setting_of_it_trains_another_generator(
    start: Start, after_12_steps: Tensor, fields: dict[str, Any]
) -> None:
    of = start(**{**EVERYTHING, "eval_targets": [], **fields})
    assert not torch.equal(head_after_12_steps(of), after_12_steps)
