"""Batches that a background thread decodes before they are asked for."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gan.data.batches import AHEAD, Batches, held_out, training_batch
from gan.data.datasets import load
from gan.data.streaming import StreamedImages
from tests.support.streamed_images import config, noise, of_folder

Pixels = NDArray[np.uint8]


class Numbered:
    """Pictures of 40x48 whose noise is their number; counts how often each is read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.opened: Counter[int] = Counter()

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> Pixels:
        self.opened[index] += 1
        return np.asarray(noise(40, 48, seed=index))

    def identity(self) -> bytes:
        return b"numbered"

    def name(self, index: int) -> str:
        return f"number {index}"


@pytest.fixture
def numbered() -> Numbered:
    return Numbered(1000)


def test_batches_come_as_asked_for_in_any_order(mixed: Path, numbered: Numbered) -> None:
    for images in (load(of_folder(mixed)).train, StreamedImages(numbered, 32)):
        batches = Batches(images, config())
        for step in (5, 6, 7, 7, 0, 1, 30, 29, 5):
            assert torch.equal(batches.at(step), training_batch(images, config(), step))
        batches.close()


def test_no_more_is_decoded_than_the_next_batches(numbered: Numbered) -> None:
    batches = Batches(StreamedImages(numbered, 32), config())
    assert not numbered.opened
    for step in range(20):
        batches.at(step)
        assert numbered.opened.total() <= (step + 1 + AHEAD) * 8
    batches.close()
    assert max(numbered.opened.values()) == 1, "1,000 pictures: none comes twice in 23 batches"


def test_held_out_crops_decode_only_what_they_show(numbered: Numbered) -> None:
    held_out(StreamedImages(numbered, 32), config(eval_images=20))
    assert numbered.opened.total() == 20


def test_the_background_thread_ends_with_close(numbered: Numbered) -> None:
    def running() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("batches")]

    batches = Batches(StreamedImages(numbered, 32), config())
    batches.at(0)
    assert len(running()) == 1
    batches.close()
    assert running() == []


@pytest.mark.slow
def test_an_interpreter_with_batches_under_way_ends(mixed: Path) -> None:
    script = """if True:
        import sys
        from gan.data import datasets
        from gan.config import TrainConfig
        from gan.data.batches import Batches
        from gan.data.datasets import load
        datasets.STREAM_BYTES = 0
        config = TrainConfig(dataset="folder", dataset_path=sys.argv[1], steps=1, batch_size=20)
        batches = Batches(load(config).train, config)
        batches.at(0)
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(mixed)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
