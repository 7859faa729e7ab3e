"""Held-out pictures that are copies of training pictures."""

import shutil
from pathlib import Path

from gan.data.datasets import load
from gan.data.identity import PHOTOS
from tests.support.factories import config


def test_held_out_copies_of_training_pictures_are_counted(tmp_path: Path) -> None:
    files = sorted((PHOTOS / "train").iterdir())[:9]
    for folder in ("different", "copies"):
        (tmp_path / folder).mkdir()
        for n, file in enumerate(files):
            shutil.copy(file, tmp_path / folder / f"{n}.jpg")
    # The eighth and the last are held out.
    shutil.copy(files[0], tmp_path / "copies" / "7.jpg")
    (tmp_path / "copies" / "8.jpg").unlink()
    (tmp_path / "copies" / "8.jpg").symlink_to(files[1])
    assert copies(tmp_path / "different") == 0
    assert copies(tmp_path / "copies") == 2


def copies(folder: Path) -> int:
    fields = {"batch_size": 2, "distribution_weight": 0}
    return load(config(dataset="folder", dataset_path=str(folder), **fields)).copies
