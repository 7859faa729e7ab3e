"""The well-known datasets, a few pictures each, in the files and layouts that they come in."""

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import datasets

from gan.config import TrainConfig
from gan.data import held_out, training_batch
from gan.datasets import Dataset, load
from gan.errors import UserError
from gan.streaming import StreamedImages

Pixels = NDArray[np.uint8]


def config(name: str, path: Path, size: int = 64) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "dataset": name,
            "dataset_path": str(path),
            "image_size": size,
            "steps": 1,
            "batch_size": 2,
            "eval_images": 20,
        }
    )


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
    source = images.source
    return [np.asarray(source.open(n).convert("RGB")) for n in range(len(images))]


def refusal(settings: TrainConfig) -> str:
    with pytest.raises(UserError) as caught:
        load(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_trains(dataset: Dataset, settings: TrainConfig) -> None:
    size = settings.image_size
    assert training_batch(dataset.train, settings, 5).shape == (2, 3, size, size)
    assert held_out(dataset.test, settings).shape[1:] == (3, size, size)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address, and the directory that it serves."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    served = tmp_path / "served"
    served.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    # torchvision asks for a file's address by a request that it breaks off.
    monkeypatch.setattr(server, "handle_error", lambda *_: None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", served
    server.shutdown()
    thread.join()
    server.server_close()


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


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
    server: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address, served = server
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
    tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import pickle

    cls, (address, served) = getattr(datasets, name), server
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
def places(server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(*server, monkeypatch)


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
    assert len(held_out(large.test, config("places365", path, 256))) == 2


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
