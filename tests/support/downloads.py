"""What tests of downloaded datasets share."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan.config import TrainConfig
from gan.data.batches import held_out, training_batch
from gan.data.datasets import Dataset, load
from gan.data.streaming import StreamedImages
from gan.errors import UserError
from tests.support import factories

Pixels = NDArray[np.uint8]


def config(name: str, path: Path, size: int = 64) -> TrainConfig:
    few = {"batch_size": 2, "distribution_weight": 0, "eval_images": 20}
    return factories.config(dataset=name, dataset_path=str(path), image_size=size, **few)


def noise(count: int, height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def encoded(pixels: Pixels, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def put(file: Path, content: bytes) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return md5(content)


def pictures(images: object) -> list[Pixels]:
    """All of them, at full size."""
    assert isinstance(images, StreamedImages)
    return [images.source.read(n) for n in range(len(images))]


def refusal(settings: TrainConfig) -> str:
    with pytest.raises(UserError) as caught:
        load(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_trains(dataset: Dataset, settings: TrainConfig) -> None:
    size = settings.image_size
    assert training_batch(dataset.train, settings, 5).shape == (2, 3, size, size)
    assert held_out(dataset.test, settings)[0].shape[1:] == (3, size, size)


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
