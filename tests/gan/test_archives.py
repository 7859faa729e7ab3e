"""CIFAR and STL-10, a few pictures each, in the files and layouts that they come in."""

from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from gan.data.datasets import load
from tests.support.downloads import assert_trains, config, md5, noise, pictures, put, refusal, tar

# Sizes


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("cifar10", 64, "CIFAR10 has images of 32 pixels, not 64"),
        ("cifar100", 64, "CIFAR100 has images of 32 pixels, not 64"),
        ("stl10", 128, "STL-10 has pictures of 96x96 pixels, too small for 128; at most 64"),
        ("celeba", 256, "CelebA has pictures of 178x218 pixels, too small for 256; at most 128"),
    ],
)
def test_a_size_that_the_pictures_do_not_have_is_the_users_mistake(
    tmp_path: Path, name: str, size: int, message: str
) -> None:
    assert refusal(config(name, tmp_path, size)) == f"image_size: {message}"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("cifar10", "CIFAR10"),
        ("cifar100", "CIFAR100"),
        ("stl10", "STL-10"),
        ("celeba", "CelebA"),
        ("places365", "Places365"),
    ],
)
def test_a_dataset_that_is_not_there_and_cannot_be_put_there_is_one_line(
    tmp_path: Path, name: str, title: str
) -> None:
    # Below a file there is no directory to download to, with or without a network.
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "data"
    line = refusal(config(name, path, 32))
    assert line.startswith(f"dataset_path: {title} is not in {path} and cannot be downloaded there")


# STL-10


class Stl:
    """STL-10 with 3 labelled, 2 unlabelled and 4 test pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.train, self.unlabelled, self.test = (noise(n, 96, 96, seed=n) for n in (3, 2, 4))
        self.files = {
            f"stl10_binary/{name}": content
            for name, content in {
                # The order in the file, as its authors describe it: columns of planes of pictures.
                "train_X.bin": self.train.transpose(0, 3, 2, 1).tobytes(),
                "train_y.bin": bytes([1, 2, 3]),
                "unlabeled_X.bin": self.unlabelled.transpose(0, 3, 2, 1).tobytes(),
                "test_X.bin": self.test.transpose(0, 3, 2, 1).tobytes(),
                "test_y.bin": bytes([1, 2, 3, 4]),
            }.items()
        }
        sums = [[name.split("/")[1], md5(content)] for name, content in self.files.items()]
        monkeypatch.setattr(datasets.STL10, "train_list", sums[:3])
        monkeypatch.setattr(datasets.STL10, "test_list", sums[3:])

    def write(self, path: Path) -> None:
        for name, content in self.files.items():
            put(path / name, content)


@pytest.fixture
def stl(monkeypatch: pytest.MonkeyPatch) -> Stl:
    return Stl(monkeypatch)


def test_stl10_is_its_labelled_and_unlabelled_pictures(tmp_path: Path, stl: Stl) -> None:
    stl.write(tmp_path)
    dataset = load(config("stl10", tmp_path))
    np.testing.assert_array_equal(pictures(dataset.train), [*stl.train, *stl.unlabelled])
    np.testing.assert_array_equal(pictures(dataset.test), stl.test)
    for images, split in ((dataset.train, "train+unlabeled"), (dataset.test, "test")):
        theirs = datasets.STL10(tmp_path, split=split)
        np.testing.assert_array_equal(pictures(images), [np.asarray(x) for x, _ in theirs])
    assert_trains(dataset, config("stl10", tmp_path))


def test_an_altered_stl10_is_not_taken(
    tmp_path: Path, stl: Stl, monkeypatch: pytest.MonkeyPatch
) -> None:
    stl.write(tmp_path)
    file = tmp_path / "stl10_binary" / "unlabeled_X.bin"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(datasets.STL10, "url", "http://127.0.0.1:9/stl10_binary.tar.gz")
    assert refusal(config("stl10", tmp_path)).startswith("dataset_path: STL-10 is not in")


def test_stl10_is_downloaded_with_progress_verified_and_unpacked(
    tmp_path: Path,
    stl: Stl,
    web_server: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address, served = web_server
    content = tar(stl.files, "w:gz")
    monkeypatch.setattr(datasets.STL10, "url", f"{address}stl10_binary.tar.gz")
    monkeypatch.setattr(datasets.STL10, "tgz_md5", md5(content))
    put(served / "stl10_binary.tar.gz", content[:-100])
    assert "corrupted" in refusal(config("stl10", tmp_path / "data"))
    put(served / "stl10_binary.tar.gz", content)
    dataset = load(config("stl10", tmp_path / "data"))
    assert "100" in capfd.readouterr().err
    np.testing.assert_array_equal(pictures(dataset.test), stl.test)


# CIFAR


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_is_downloaded_verified_and_loaded_pixel_by_pixel(
    tmp_path: Path, web_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import pickle

    cls, (address, served) = getattr(datasets, name), web_server
    members, sums, every = {}, {}, {}
    labels = "labels" if name == "CIFAR10" else "fine_labels"
    for n, (file, _) in enumerate([*cls.train_list, *cls.test_list]):
        every[file] = noise(2, 32, 32, seed=n)
        rows = every[file].transpose(0, 3, 1, 2).reshape(2, 3072)
        members[file] = pickle.dumps({"data": rows, labels: [0, 1]})
    meta = cls.meta["filename"]
    members[meta] = pickle.dumps({cls.meta["key"]: ["cat", "dog"]})
    sums = {file: md5(content) for file, content in members.items()}
    content = tar({f"{cls.base_folder}/{k}": v for k, v in members.items()}, "w:gz")
    put(served / cls.filename, content)
    for attribute, value in {
        "train_list": [[file, sums[file]] for file, _ in cls.train_list],
        "test_list": [[file, sums[file]] for file, _ in cls.test_list],
        "meta": {**cls.meta, "md5": sums[meta]},
        "url": f"{address}{cls.filename}",
        "tgz_md5": md5(content),
    }.items():
        monkeypatch.setattr(cls, attribute, value)
    dataset = load(config(name.lower(), tmp_path / "data", 32))
    wanted = [picture for file, _ in cls.train_list for picture in every[file]]
    np.testing.assert_array_equal(dataset.train.pixels.reshape(-1, 32, 32, 3), wanted)  # type: ignore[union-attr]
    damaged = tmp_path / "data" / cls.base_folder / cls.train_list[0][0]
    put(damaged, damaged.read_bytes()[:-1])
    put(tmp_path / "data" / cls.filename, b"")
    put(served / cls.filename, content[:100])
    # A dataset is loaded once per process: by another path it is another.
    line = refusal(config(name.lower(), tmp_path / "served" / ".." / "data", 32))
    assert f"{name} is not in" in line
    assert "corrupted" in line
