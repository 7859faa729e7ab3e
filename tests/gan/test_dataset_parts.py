"""Folders that are meant to be kept apart, and are not called so."""

import shutil
from pathlib import Path

import pytest

from gan.data.datasets import load
from gan.data.identity import PHOTOS
from gan.errors import UserError
from tests.support import factories

FEW = {"batch_size": 2, "distribution_weight": 0}


def made(path: Path, *names: str) -> Path:
    files = iter(sorted((PHOTOS / "train").iterdir()))
    for name in names:
        (path / name).mkdir()
        for _ in range(4):
            shutil.copy(next(files), path / name)
    return path


@pytest.mark.parametrize("names", [("Test", "Train"), ("train", "val"), ("test", "training")])
def test_they_are_not_mixed(tmp_path: Path, names: tuple[str, str]) -> None:
    config = factories.config(dataset="folder", dataset_path=str(made(tmp_path, *names)), **FEW)
    with pytest.raises(UserError, match=f"{tmp_path} has {' and '.join(names)}, which would be"):
        load(config)


@pytest.mark.parametrize("names", [("cats", "test"), ("Train", "training"), ("train", "more")])
def test_others_are_pictures_of_one_set(tmp_path: Path, names: tuple[str, str]) -> None:
    config = factories.config(dataset="folder", dataset_path=str(made(tmp_path, *names)), **FEW)
    dataset = load(config)
    assert len(dataset.train) + len(dataset.test) == 8


def test_files_of_such_names_are_not_meant(tmp_path: Path) -> None:
    config = factories.config(dataset="folder", dataset_path=str(made(tmp_path, "pictures")), **FEW)
    for name in ("train", "test"):
        (tmp_path / name).write_text("a list of names")
    assert len(load(config).train) == 3
