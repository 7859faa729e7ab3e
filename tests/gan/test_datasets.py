import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gan.config import TrainConfig
from gan.data import datasets
from gan.data.batches import held_out
from gan.data.datasets import Dataset, Images, load
from gan.data.identity import PHOTOS
from gan.errors import UserError
from tests.support import factories
from tests.support.image_sets import as_bytes, in_memory, levels

CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10_subset.npz"

Pixels = NDArray[np.uint8]


config = partial(factories.config, batch_size=2, distribution_weight=0)


def noise(count: int, height: int = 32, width: int = 32, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write_npz(path: Path, **arrays: Any) -> TrainConfig:
    np.savez(path, **arrays)
    return config(dataset="npz", dataset_path=str(path))


# A folder of one's own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 photographs, two of them a level down, and a file of another kind."""
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    for n, file in enumerate(sorted((PHOTOS / "train").iterdir())[:20]):
        shutil.copy(file, folder / "more" if n < 2 else folder)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def load_folder(path: Path, **fields: Any) -> Dataset:
    return load(config(dataset="folder", dataset_path=str(path), **fields))


def fingerprints(images: Images) -> set[bytes]:
    return {levels(images, n)[0].tobytes() for n in range(len(images))}


def test_a_folder_is_split_without_overlap(folder: Path) -> None:
    dataset = load_folder(folder)
    train, test = fingerprints(dataset.train), fingerprints(dataset.test)
    assert len(train | test) == len(train) + len(test) == 20
    assert 1 <= len(test) <= 5
    assert dataset.skipped == ()


def test_a_folder_with_train_and_test_is_split_like_that(tmp_path: Path) -> None:
    files = sorted((PHOTOS / "train").iterdir())
    for part, chosen in (("train", files[:3]), ("test", files[3:5])):
        (tmp_path / part).mkdir()
        for file in chosen:
            shutil.copy(file, tmp_path / part)
    dataset = load_folder(tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (3, 2)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])


def grayscale(file: Path) -> None:
    Image.open(file).convert("L").convert("RGB").save(file)


def not_a_picture(file: Path) -> None:
    file.write_bytes(b"<html>404</html>")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def tiny(file: Path) -> None:
    Image.open(file).resize((64, 31)).save(file)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncated, "cannot be read as an image"),
        (grayscale, "is grayscale"),
        (not_a_picture, "cannot be read as an image"),
        (empty, "cannot be read as an image"),
        (tiny, "64x31 is smaller than image_size 32"),
    ],
)
def test_a_bad_picture_is_skipped_with_a_line_that_names_it(
    folder: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    bad = sorted(folder.glob("*.jpg"))[5]
    spoil(bad)
    dataset = load_folder(folder)
    assert len(dataset.train) + len(dataset.test) == 19
    (line,) = dataset.skipped
    assert str(bad) in line
    assert reason in line
    assert "\n" not in line


def test_several_bad_pictures_are_all_named(folder: Path) -> None:
    files = sorted(folder.glob("*.jpg"))
    truncated(files[0])
    grayscale(files[-1])
    dataset = load_folder(folder)
    assert len(files) == 18
    for file, line in zip((files[0], files[-1]), dataset.skipped, strict=True):
        assert str(file) in line
    assert len(dataset.train) + len(dataset.test) == 18


def test_a_folder_without_a_usable_picture_is_the_users_mistake(folder: Path) -> None:
    files = sorted(folder.rglob("*.jpg"))
    for file in files:
        truncated(file)
    with pytest.raises(UserError, match="no usable image") as caught:
        load_folder(folder)
    assert files[0].name in str(caught.value)


def test_one_usable_picture_is_too_few(folder: Path) -> None:
    for file in sorted(folder.rglob("*.jpg"))[1:]:
        file.unlink()
    with pytest.raises(UserError, match="one usable image"):
        load_folder(folder)


def test_an_empty_or_missing_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no images"):
        load_folder(tmp_path)
    with pytest.raises(UserError, match="no directory"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "file.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="no directory"):
        load_folder(tmp_path / "file.jpg")
    with pytest.raises(UserError, match=r"^dataset_path: .{,300} cannot be read \(File name too"):
        load_folder(tmp_path / ("x" * 5000))


def test_a_relative_path_starts_from_the_root_given(folder: Path) -> None:
    dataset = load(config(dataset="folder", dataset_path=folder.name), root=folder.parent)
    assert len(dataset.train) + len(dataset.test) == 20


def test_the_digest_is_of_the_pictures_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    digest = load_folder(folder).digest
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert load_folder(moved).digest == digest
    assert load_folder(folder, image_size=64).digest != digest
    first, second = sorted(moved.glob("*.jpg"))[:2]
    first.write_bytes(second.read_bytes())
    datasets._load.cache_clear()
    assert load_folder(moved).digest != digest


def test_the_digest_tells_what_is_held_out_from_what_is_trained_on(tmp_path: Path) -> None:
    one, other = noise(4), noise(4, seed=1)
    there = load(write_npz(tmp_path / "a.npz", train=one, test=other))
    back = load(write_npz(tmp_path / "b.npz", train=other, test=one))
    assert there.digest != back.digest


# Arrays in an .npz file


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    train, test = noise(6), noise(3, seed=1)
    dataset = load(write_npz(tmp_path / "a.npz", train=train, test=test))
    np.testing.assert_array_equal([levels(dataset.train, n)[0] for n in range(6)], train)
    np.testing.assert_array_equal(as_bytes(held_out(dataset.test, config())[0]), test)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": noise(2)}, "arrays train and test"),
        ({"train": noise(2), "test": noise(2).astype(float)}, "test is float64"),
        ({"train": noise(2)[..., :1], "test": noise(2)}, r"train is uint8 \(2, 32, 32, 1\)"),
        ({"train": noise(2)[0], "test": noise(2)}, r"train is uint8 \(32, 32, 3\)"),
        ({"train": noise(2), "test": noise(2)[:0]}, "test has no pictures"),
        ({"train": np.uint8(3), "test": noise(2)}, r"train is uint8 \(\), not"),
        ({"train": noise(2, 32, 31), "test": noise(2)}, "train has images of 32x31, smaller than"),
        ({"train": np.array([{}]), "test": noise(2)}, "is not a valid .npz archive"),
    ],
)
def test_arrays_of_another_kind_are_the_users_mistake(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(UserError, match=message) as caught:
        load(write_npz(path, **arrays))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_archive_is_the_users_mistake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is not a valid .npz archive"):
        load(config(dataset="npz", dataset_path=str(path)))


def refusal(settings: TrainConfig) -> str | None:
    try:
        load(settings)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_the_users_mistake(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "a.npz"
    few_colours = noise(4) // 64
    save(path, train=few_colours, test=few_colours)
    whole = path.read_bytes()
    damaged = [whole[:-10], whole[: len(whole) // 2]]
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 100).tolist():
        altered = bytearray(whole)
        altered[place : place + 4] = random.bytes(4)
        damaged.append(bytes(altered))
    refusals = []
    for n, content in enumerate(damaged):
        # A file is read once per process.
        file = tmp_path / f"{n}.npz"
        file.write_bytes(content)
        refusals.append(refusal(config(dataset="npz", dataset_path=str(file))))
    assert [r for n, r in enumerate(refusals) if r and f"/{n}.npz" not in r] == []
    # Attributes and times in the archive's directory may say what they like.
    assert sum(r is not None for r in refusals) > 90


def test_a_single_array_is_the_users_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, noise(2))
    with pytest.raises(UserError, match=r"is not a valid .npz archive"):
        load(config(dataset="npz", dataset_path=str(path)))


def test_a_missing_archive_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"nowhere.npz cannot be read \(No such file or directory\)"
    ):
        load(config(dataset="npz", dataset_path=str(tmp_path / "nowhere.npz")))


@pytest.mark.skipif(not CIFAR.exists(), reason=f"no {CIFAR}")
def test_the_subset_of_cifar_loads_pixel_by_pixel() -> None:
    dataset = load(config(dataset="npz", dataset_path=str(CIFAR)))
    with np.load(CIFAR) as archive:
        train, test = archive["train"], archive["test"]
    assert (len(dataset.train), len(dataset.test)) == (5085, 1017)
    np.testing.assert_array_equal(
        in_memory(dataset.train).pixels.numpy().reshape(train.shape), train
    )
    np.testing.assert_array_equal(as_bytes(held_out(dataset.test, config())[0]), test[:1000])


# Sizes that do not fit


def test_fewer_training_images_than_a_batch_are_the_users_mistake(tmp_path: Path) -> None:
    settings = write_npz(tmp_path / "a.npz", train=noise(5), test=noise(2))
    assert len(load(settings.model_copy(update={"batch_size": 5})).train) == 5
    with pytest.raises(
        UserError, match="batch_size: 6 is more than the 5 training images"
    ) as caught:
        load(settings.model_copy(update={"batch_size": 6}))
    assert "\n" not in str(caught.value)


def test_of_many_bad_pictures_the_first_are_named_and_the_others_counted(folder: Path) -> None:
    for n in range(30):
        (folder / f"bad{n:02}.jpg").write_bytes(b"")
    lines = load_folder(folder).skipped
    assert len(lines) == 21
    assert [f"bad{n:02}.jpg" in line for n, line in enumerate(lines)] == [True] * 20 + [False]
    assert lines[-1] == f"10 more files in {folder}"
