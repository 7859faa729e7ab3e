"""A training whose pictures were replaced, under the same path."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gan.config import TrainConfig
from gan.control import Control
from gan.data import datasets
from gan.data.datasets import load
from gan.data.identity import of_other_pictures
from gan.errors import TrainingError
from gan.training.trainer import Trainer
from tests.support.trainings import small

pytestmark = pytest.mark.usefixtures("quick_evaluations")


@pytest.fixture
def npz(small_npz: Path, tmp_path: Path) -> Iterator[Path]:
    yield Path(shutil.copy(small_npz, tmp_path / "mine.npz"))
    datasets._load.cache_clear()


def invert(npz: Path) -> None:
    """Replace the pictures by as many others; a new process would find these."""
    with np.load(npz) as archive:
        arrays = {name: 255 - archive[name] for name in archive.files}
    np.savez(npz, **arrays)
    datasets._load.cache_clear()


def trainer(config: TrainConfig) -> Trainer:
    return Trainer(config, load(config), torch.device("cpu"))


def assert_refused(config: TrainConfig, trial: Path, baseline: Path | None = None) -> None:
    with pytest.raises(TrainingError, match="not the pictures of step 4") as caught:
        trainer(config).fit(trial, baseline=baseline)
    line = str(caught.value)
    assert "\n" not in line
    for words in (f"dataset npz ({config.dataset_path})", "restore them", "under another name"):
        assert words in line
    for place in (trial, baseline):  # may be a copy, which is made again
        assert str(place) not in line


@pytest.mark.slow
def test_it_does_not_go_on_with_other_pictures_and_does_once_they_are_back(
    npz: Path, tmp_path: Path
) -> None:
    trial = tmp_path / "trial"
    assert trainer(small(npz, steps=4)).fit(trial)
    invert(npz)
    longer = small(npz, steps=6)
    assert_refused(longer, trial)
    invert(npz)
    assert trainer(longer).fit(trial)


def test_a_baseline_of_other_pictures_is_not_recoloured(npz: Path, tmp_path: Path) -> None:
    baseline = small(npz, steps=4, controls={})
    assert trainer(baseline).fit(tmp_path / "baseline")
    invert(npz)
    moved = baseline.recoloured_as(
        baseline.model_copy(update={"controls": {"saturation": Control(target=0.5)}})
    )
    assert_refused(moved, tmp_path / "moved", tmp_path / "baseline")


def test_the_trials_of_most_pictures_are_the_rule() -> None:
    one, other = TrainConfig(steps=1), TrainConfig(steps=1, dataset="npz", dataset_path="a.npz")
    digests = [(one, "x"), (other, "y"), (one, "z"), (one, "z"), (one, ""), (other, "v")]
    assert of_other_pictures(digests) == [True, False, False, False, False, True]
