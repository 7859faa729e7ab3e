"""What tests of pictures that stay on the disk share."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan.config import TrainConfig
from gan.data import datasets
from gan.data.datasets import Dataset, load
from gan.data.streaming import StreamedImages
from tests.support import factories

config = partial(factories.config, batch_size=8)


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def of_folder(folder: Path, **fields: Any) -> TrainConfig:
    return config(dataset="folder", dataset_path=str(folder), **fields)


def streamed(settings: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Load a folder as if it were too large for the memory."""
    datasets._load.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "STREAM_BYTES", 0)
        dataset = load(settings)
    datasets._load.cache_clear()
    assert isinstance(dataset.train, StreamedImages)
    assert isinstance(dataset.test, StreamedImages)
    return dataset
