import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trainings import Start, small

from gan import trainer
from gan.config import TrainConfig
from gan.data import held_out, training_batch
from gan.datasets import Dataset, load
from gan.trainer import Trainer

# One: on two busy cores, two threads that wait for each other took up to 20 times as long.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photos() -> Dataset:
    return load(TrainConfig(steps=1))


@pytest.fixture(scope="session")
def small_npz(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 training and 36 held-out pictures of 32x32 pixels, cut from the photographs."""
    config = TrainConfig(steps=1, batch_size=64, eval_images=36)
    train, test = training_batch(photos.train, config, 0), held_out(photos.test, config)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    arrays = [(x * 255).round().byte().permute(0, 2, 3, 1).numpy() for x in (train, test)]
    np.savez(path, train=arrays[0], test=arrays[1])
    return path


@pytest.fixture
def start(small_npz: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a small training at step 0; every option can be set.

    It takes a checkpoint at every evaluation, so that what is there does not depend on the disk.
    """
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", math.inf)

    def start(**fields: Any) -> Trainer:
        config = small(small_npz, **fields)
        return Trainer(config, load(config), torch.device("cpu"))

    return start
