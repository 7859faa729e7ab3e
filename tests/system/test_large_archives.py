"""CelebA, Places365 and LSUN, a few pictures each, in the files that they come in."""

import io
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from gan.data.batches import held_out, training_batch
from gan.data.datasets import load
from tests.support.downloads import (
    Pixels,
    assert_trains,
    config,
    encoded,
    md5,
    noise,
    pictures,
    put,
    refusal,
    tar,
)

pytestmark = pytest.mark.usefixtures("quick_evaluations")

# CelebA


class Celeba:
    """CelebA with 7 pictures: 4 to train on, 1 to validate and 2 to test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts = (0, 0, 1, 0, 2, 2, 0)
        self.pictures = {f"{n:06}.png": noise(1, 218, 178, seed=n)[0] for n in range(7)}
        rows = (f"{n} {p}\n" for n, p in zip(self.pictures, self.parts, strict=True))
        self.partition = "".join(rows).encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, pixels in self.pictures.items():
                archive.writestr(f"img_align_celeba/{name}", encoded(pixels))
        self.archive = buffer.getvalue()
        files = {
            "img_align_celeba.zip": self.archive,
            "list_attr_celeba.txt": b"",
            "list_eval_partition.txt": self.partition,
        }
        sums = [("id", md5(content), name) for name, content in files.items()]
        monkeypatch.setattr(datasets.CelebA, "file_list", sums)

    def of_part(self, part: int) -> list[Pixels]:
        pairs = zip(self.pictures.values(), self.parts, strict=True)
        return [pixels for pixels, p in pairs if p == part]


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> Celeba:
    return Celeba(monkeypatch)


def test_celeba_is_trained_on_its_training_part_and_held_out_on_its_test_part(
    tmp_path: Path, faces: Celeba
) -> None:
    put(tmp_path / "celeba" / "list_eval_partition.txt", faces.partition)
    for name, pixels in faces.pictures.items():
        put(tmp_path / "celeba" / "img_align_celeba" / name, encoded(pixels))
    dataset = load(config("celeba", tmp_path))
    np.testing.assert_array_equal(pictures(dataset.train), faces.of_part(0))
    np.testing.assert_array_equal(pictures(dataset.test), faces.of_part(2))
    assert_trains(dataset, config("celeba", tmp_path))


def test_celebas_archive_is_verified_and_unpacked_whole(tmp_path: Path, faces: Celeba) -> None:
    put(tmp_path / "celeba" / "list_eval_partition.txt", faces.partition)
    put(tmp_path / "celeba" / "img_align_celeba.zip", faces.archive)
    left = tmp_path / "celeba" / "img_align_celeba.partial"  # by an end in the middle
    put(left / "img_align_celeba" / "torn.png", b"")
    dataset = load(config("celeba", tmp_path))
    np.testing.assert_array_equal(pictures(dataset.train), faces.of_part(0))
    assert not left.exists()
    assert len(list((tmp_path / "celeba" / "img_align_celeba").iterdir())) == 7


@pytest.mark.parametrize("spoilt", ["list_eval_partition.txt", "img_align_celeba.zip"])
def test_celeba_that_is_damaged_and_cannot_be_downloaded_names_what_is_missing(
    tmp_path: Path, faces: Celeba, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    put(tmp_path / "celeba" / "list_eval_partition.txt", faces.partition)
    put(tmp_path / "celeba" / "img_align_celeba.zip", faces.archive)
    with (tmp_path / "celeba" / spoilt).open("ab") as file:
        file.write(b"!")
    monkeypatch.setitem(sys.modules, "gdown", None)
    line = refusal(config("celeba", tmp_path))
    assert line.startswith(f"dataset_path: CelebA is not in {tmp_path}")
    assert "pip install gdown" in line


# Places365


class Places:
    """Places365 with 4 pictures to train on and 2 to validate, on a server of its own."""

    def __init__(self, address: str, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.train = {f"{c}/{n}.png": noise(1, 256, 256, n)[0] for n, c in enumerate("aabc")}
        self.val = {f"Places365_val_{n}.png": noise(1, 256, 256, 9 + n)[0] for n in range(2)}
        lists = {
            "categories_places365.txt": b"/a 0\n/b 1\n/c 2\n",
            "places365_train_standard.txt": b"".join(f"/{x} 0\n".encode() for x in self.train),
            "places365_val.txt": b"".join(f"{x} 0\n".encode() for x in self.val),
        }
        archives = {
            "lists.tar": tar(lists),
            "train.tar": tar({f"data_256/{k}": encoded(v) for k, v in self.train.items()}),
            "val.tar": tar({f"val_256/{k}": encoded(v) for k, v in self.val.items()}),
        }
        self.lists, self.served = lists, served
        sums = {name: (name, put(served / name, content)) for name, content in archives.items()}
        names = list(lists)
        cls = datasets.Places365
        for attribute, value in {
            "_BASE_URL": address,
            "_DEVKIT_META": {"standard": sums["lists.tar"]},
            "_CATEGORIES_META": (names[0], md5(lists[names[0]])),
            "_FILE_LIST_META": {
                "train-standard": (names[1], md5(lists[names[1]])),
                "val": (names[2], md5(lists[names[2]])),
            },
            "_IMAGES_META": {
                ("train-standard", True): sums["train.tar"],
                ("val", True): sums["val.tar"],
            },
        }.items():
            monkeypatch.setattr(cls, attribute, value)


@pytest.fixture
def places(web_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(*web_server, monkeypatch)


def test_places365_is_downloaded_verified_and_read(tmp_path: Path, places: Places) -> None:
    path = tmp_path / "data"
    dataset = load(config("places365", path))
    np.testing.assert_array_equal(pictures(dataset.train), list(places.train.values()))
    np.testing.assert_array_equal(pictures(dataset.test), list(places.val.values()))
    theirs = datasets.Places365(path, "train-standard", small=True)
    np.testing.assert_array_equal(pictures(dataset.train), [np.asarray(x) for x, _ in theirs])
    assert_trains(dataset, config("places365", path))
    # Squares of just the right size have one window: none is held out twice.
    large = load(config("places365", path, 256))
    assert len(held_out(large.test, config("places365", path, 256))[0]) == 2


def test_places365_whose_unpacking_was_cut_off_is_unpacked_anew(
    tmp_path: Path, places: Places
) -> None:
    load(config("places365", tmp_path))
    shutil.move(tmp_path / "val_256", tmp_path / "val_256.partial")
    next((tmp_path / "val_256.partial").iterdir()).unlink()
    dataset = load(config("places365", tmp_path, 128))  # not the one in memory
    np.testing.assert_array_equal(pictures(dataset.test), list(places.val.values()))
    assert not (tmp_path / "val_256.partial").exists()


def test_a_damaged_download_of_places365_is_one_line(tmp_path: Path, places: Places) -> None:
    file = places.served / "val.tar"
    file.write_bytes(file.read_bytes()[:-1000])
    line = refusal(config("places365", tmp_path / "data"))
    assert line.startswith("dataset_path: Places365 is not in")
    assert "corrupted" in line


# LSUN


def write_lsun(path: Path, values: dict[bytes, bytes]) -> None:
    lmdb = pytest.importorskip("lmdb")
    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=2**26) as environment, environment.begin(write=True) as t:
        for key, value in values.items():
            t.put(key, value)


@pytest.fixture
def church(tmp_path: Path) -> tuple[Path, Pixels]:
    """A category with 5 pictures to train on and 3 to validate."""
    images = noise(8, 80, 100)
    values = {f"{n:040x}".encode(): encoded(x) for n, x in enumerate(images)}
    keys = list(values)
    write_lsun(tmp_path / "church_outdoor_train_lmdb", {k: values[k] for k in keys[:5]})
    write_lsun(tmp_path / "church_outdoor_val_lmdb", {k: values[k] for k in keys[5:]})
    return tmp_path, images


def test_lsun_is_a_categorys_two_databases(church: tuple[Path, Pixels]) -> None:
    path, images = church
    for size in (32, 64):
        dataset = load(config("lsun", path, size))
        np.testing.assert_array_equal(pictures(dataset.train), images[:5])
        np.testing.assert_array_equal(pictures(dataset.test), images[5:])
        assert_trains(dataset, config("lsun", path, size))


def test_lsun_is_read_from_a_directory_whose_name_is_not_utf_8(
    church: tuple[Path, Pixels],
) -> None:
    path, images = church
    other = shutil.copytree(path, path / os.fsdecode(b"caf\xe9"))
    np.testing.assert_array_equal(pictures(load(config("lsun", other, 32)).train), images[:5])


def test_lsun_that_is_not_there_says_what_to_put_where(tmp_path: Path) -> None:
    line = refusal(config("lsun", tmp_path))
    assert f"{tmp_path} holds 0 directories *_train_lmdb" in line
    assert "cannot be downloaded by torchvision" in line
    assert "unpack both there" in line


def test_two_categories_in_one_directory_are_the_users_mistake(
    church: tuple[Path, Pixels],
) -> None:
    (church[0] / "tower_train_lmdb").mkdir()
    assert "holds 2 directories *_train_lmdb instead of one" in refusal(config("lsun", church[0]))


def test_a_damaged_database_is_one_line(tmp_path: Path, church: tuple[Path, Pixels]) -> None:
    file = church[0] / "church_outdoor_val_lmdb" / "data.mdb"
    whole = file.read_bytes()
    for n, content in enumerate((b"", b"not a database" * 1000, whole[: len(whole) // 2])):
        # A database is opened once per process.
        other = tmp_path / str(n)
        put(other / "tower_val_lmdb" / "data.mdb", content)
        put(other / "tower_train_lmdb" / "data.mdb", whole)
        line = refusal(config("lsun", other))
        assert line.startswith(f"dataset_path: {other / 'tower_val_lmdb'}")


def test_without_the_package_lmdb_its_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert refusal(config("lsun", tmp_path)) == (
        "dataset: lsun needs the package lmdb: pip install lmdb"
    )


def test_lsuns_pictures_are_decoded_in_several_threads_alike(church: tuple[Path, Pixels]) -> None:
    settings = config("lsun", church[0]).model_copy(update={"batch_size": 5})
    images = load(settings).train
    threads = torch.get_num_threads()
    single = training_batch(images, settings, 0)
    torch.set_num_threads(4)
    try:
        assert torch.equal(training_batch(images, settings, 0), single)
    finally:
        torch.set_num_threads(threads)
