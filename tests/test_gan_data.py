import csv
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from gan.config import TrainConfig
from gan.data import PHOTOS, SCALES, Dataset, ImageSet, held_out, load, read_photograph
from gan.data import training_batch as batch
from gan.errors import UserError

CIFAR = Path(__file__).parents[2] / "shared" / "data" / "cifar10_subset.npz"

Pixels = NDArray[np.uint8]


def config(**fields: Any) -> TrainConfig:
    return TrainConfig.model_validate({"steps": 1, "batch_size": 8, **fields})


def noise(count: int, height: int = 32, width: int = 32, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write_npz(path: Path, **arrays: Any) -> TrainConfig:
    np.savez(path, **arrays)
    return config(dataset="npz", dataset_path=str(path))


def as_bytes(rgb: Tensor) -> Pixels:
    """(N, 3, H, W) in [0, 1] -> (N, H, W, 3) uint8, exactly."""
    scaled = rgb.double() * 255
    assert (scaled - scaled.round()).abs().max() < 1e-4
    array: Pixels = scaled.round().byte().permute(0, 2, 3, 1).numpy()
    return array


def levels(images: ImageSet, n: int) -> list[Pixels]:
    """Picture n as stored, at each of its scales."""
    found = []
    for k in range(int(images.scales[n])):
        start, height, width = (
            int(table[n, k]) for table in (images.offsets, images.heights, images.widths)
        )
        flat = images.pixels[start : start + height * width].numpy()
        found.append(flat.reshape(height, width, 3))
    return found


# The photographs that are carried along


def test_no_photograph_is_in_both_train_and_test() -> None:
    for identity in (
        lambda file: file.name,
        lambda file: hashlib.sha256(file.read_bytes()).hexdigest(),
    ):
        train, test = ([identity(f) for f in (PHOTOS / p).iterdir()] for p in ("train", "test"))
        assert len(set(train)) == len(train) > 100
        assert len(set(test)) == len(test) > 12
        assert not set(train) & set(test)


def test_every_photograph_is_attributed_and_nothing_else() -> None:
    with (PHOTOS / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = [row["file"] for row in rows]
    carried = [
        f"{p.parent.name}/{p.name}" for part in ("train", "test") for p in (PHOTOS / part).iterdir()
    ]
    assert sorted(named) == sorted(carried)
    for row in rows:
        assert row["author"].strip()
        assert row["licence"].startswith(("CC-BY", "CC0", "public-domain"))


def test_every_photograph_is_usable(photos: Dataset) -> None:
    assert photos.skipped == ()
    assert len(photos.train) == len(list((PHOTOS / "train").iterdir()))
    assert len(photos.test) == len(list((PHOTOS / "test").iterdir()))


def test_scales_are_the_photograph_reduced_and_never_enlarged(photos: Dataset) -> None:
    for n, file in enumerate(sorted((PHOTOS / "test").iterdir())):
        with Image.open(file) as picture:
            width, height = picture.size
            sides = [int(s * 32) for s in SCALES if s * 32 <= min(width, height)]
            stored = levels(photos.test, n)
            assert [min(level.shape[:2]) for level in stored] == sides
            for level in stored:
                assert level.shape[1] / level.shape[0] == pytest.approx(width / height, rel=0.02)
            small = np.asarray(picture.convert("RGB").reduce(4), dtype=float)
        # Whatever the filter, the mean colour stays.
        for level in stored:
            np.testing.assert_allclose(level.mean(axis=(0, 1)), small.mean(axis=(0, 1)), atol=3)


# Batches


def test_a_batch_is_a_function_of_seed_and_step(photos: Dataset) -> None:
    direct = batch(photos.train, config(), 7)
    torch.manual_seed(1)
    for step in range(7):
        batch(photos.train, config(), step)
        batch(photos.train, config(seed=5), step)
    assert torch.equal(batch(photos.train, config(), 7), direct)
    for other in (batch(photos.train, config(), 8), batch(photos.train, config(seed=1), 7)):
        assert not torch.equal(other, direct)


def test_batches_neither_use_nor_disturb_the_global_random_state(photos: Dataset) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    batch(photos.train, config(), 3)
    held_out(photos.test, config())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_is_rgb_of_the_size_asked_for(photos: Dataset) -> None:
    rgb = batch(photos.train, config(), 0)
    assert rgb.shape == (8, 3, 32, 32)
    assert rgb.dtype == torch.float32
    assert 0 <= rgb.min() < 0.2
    assert 0.8 < rgb.max() <= 1


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """10 pictures; the first byte of each is its number."""
    train = noise(10)
    train[:, :, :, 0] = np.arange(10)[:, None, None]
    path = tmp_path_factory.mktemp("numbered") / "numbered.npz"
    return load(write_npz(path, train=train, test=train)).train


def order(images: ImageSet, steps: int, **fields: Any) -> list[int]:
    numbers = [as_bytes(batch(images, config(**fields), s))[:, 0, 0, 0] for s in range(steps)]
    return [int(n) for n in np.concatenate(numbers)]


@pytest.mark.parametrize(("batch_size", "steps"), [(5, 6), (4, 10), (7, 10), (25, 4)])
def test_each_epoch_is_a_permutation(numbered: ImageSet, batch_size: int, steps: int) -> None:
    seen = order(numbered, steps, batch_size=batch_size)
    epochs = [seen[i : i + 10] for i in range(0, len(seen) - 9, 10)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs) >= 3


def test_the_order_is_the_seeds_not_the_batch_sizes(numbered: ImageSet) -> None:
    assert order(numbered, 4, batch_size=5) == order(numbered, 2, batch_size=10)
    assert order(numbered, 4, batch_size=5) != order(numbered, 4, batch_size=5, seed=1)


def test_half_the_images_are_mirrored_when_augmented(numbered: ImageSet) -> None:
    plain = batch(numbered, config(batch_size=200, augment=False), 0)
    augmented = batch(numbered, config(batch_size=200), 0)
    same = np.array([torch.equal(a, p) for a, p in zip(augmented, plain, strict=True)])
    mirrored = np.array([torch.equal(a, p.flip(2)) for a, p in zip(augmented, plain, strict=True)])
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_a_mirrored_window_of_a_photograph_is_the_same_window(photos: Dataset) -> None:
    plain = batch(photos.train, config(batch_size=64, augment=False), 0)
    augmented = batch(photos.train, config(batch_size=64), 0)
    for a, p in zip(augmented, plain, strict=True):
        assert torch.equal(a, p) or torch.equal(a, p.flip(2))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pixels, ImageSet]:
    """3 pictures of 64x96: at 32 pixels a window, the largest scale is the picture itself."""
    train = noise(3, 64, 96)
    path = tmp_path_factory.mktemp("wide") / "wide.npz"
    return train, load(write_npz(path, train=train, test=train)).train


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("place", "top", "left"),
    [((0, 0), 0, 0), ((0.5, 0.25), 16, 16), ((0.9999999, 0.9999999), 32, 64), ((0, 0.9999), 0, 64)],
)
def test_a_crop_is_a_window_of_the_picture(
    wide: tuple[Pixels, ImageSet], place: tuple[float, float], top: int, left: int, flip: bool
) -> None:
    pictures, images = wide
    crop = images.crops(
        torch.tensor([2]),
        torch.tensor([0.99]),
        torch.tensor([place]),
        torch.tensor([flip]),
        32,
    )
    window = pictures[2, top : top + 32, left : left + 32]
    np.testing.assert_array_equal(as_bytes(crop)[0], window[:, ::-1] if flip else window)


def test_training_crops_are_windows_of_all_scales_and_places(photos: Dataset) -> None:
    images = photos.train
    windows = as_bytes(batch(images, config(batch_size=40, augment=False), 0))
    packed = images.pixels.int() @ torch.tensor([1, 256, 65536], dtype=torch.int32)
    stored = packed.numpy()
    # Start, picture, scale and width of every level, in the order in which they are stored.
    table = np.array(
        [
            (images.offsets[n, k], n, k, images.widths[n, k])
            for n in range(len(images))
            for k in range(int(images.scales[n]))
        ]
    )
    found = []
    for window in windows:
        codes = window.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
        for start in np.flatnonzero(stored[:-31] == codes[0, 0]):
            if not np.array_equal(stored[start : start + 32], codes[0]):
                continue
            first, n, k, width = table[np.searchsorted(table[:, 0], start, side="right") - 1]
            top, left = divmod(start - first, width)
            if np.array_equal(levels(images, n)[k][top : top + 32, left : left + 32], window):
                found.append((n, k, top, left))
                break
    assert len(found) == 40, "every crop is a window of some picture"
    assert len({n for n, *_ in found}) == 40, "of as many pictures"
    assert {k for _, k, *_ in found} >= {0, 1, 2, 3}
    assert len({(top, left) for *_, top, left in found}) > 30


def test_every_epoch_cuts_and_mirrors_anew(wide: tuple[Pixels, ImageSet]) -> None:
    _, images = wide
    # 3 pictures in batches of 3: each picture once a step.
    crops = [batch(images, config(batch_size=3, augment=False), step) for step in range(20)]
    assert len({crop.numpy().tobytes() for crop in torch.cat(crops)}) > 45
    augmented = [batch(images, config(batch_size=3), step) for step in range(20)]
    flips = [
        tuple(torch.equal(a, c.flip(2)) for a, c in zip(*pair, strict=True))
        for pair in zip(augmented, crops, strict=True)
    ]
    assert len(set(flips)) > 4, "of 8 ways to mirror 3 pictures"


# Held-out images


def test_held_out_images_are_the_same_for_every_trial(photos: Dataset) -> None:
    fixed = held_out(photos.test, config(eval_images=50))
    for fields in ({"seed": 9}, {"batch_size": 3}, {"augment": False, "base_channels": 8}):
        assert torch.equal(held_out(photos.test, config(eval_images=50, **fields)), fixed)


def test_a_longer_held_out_set_begins_with_the_shorter(photos: Dataset) -> None:
    short, long = (held_out(photos.test, config(eval_images=n)) for n in (12, 100))
    assert len(short) == 12
    assert len(long) == 100
    assert torch.equal(long[:12], short)


def test_held_out_images_are_first_the_middle_of_each_picture(photos: Dataset) -> None:
    rgb = as_bytes(held_out(photos.test, config(eval_images=36)))
    for n in range(36):
        smallest = levels(photos.test, n)[0]
        top, left = (round((side - 32) / 2) for side in smallest.shape[:2])
        around = [smallest[:, left + d : left + d + 32] for d in (-1, 0, 1) if left + d >= 0]
        around += [smallest[top + d : top + d + 32] for d in (-1, 0, 1) if top + d >= 0]
        assert any(np.array_equal(rgb[n], window) for window in around)


def test_pictures_of_just_the_right_size_are_held_out_once_each(numbered: ImageSet) -> None:
    rgb = as_bytes(held_out(numbered, config(eval_images=1000)))
    assert rgb[:, 0, 0, 0].tolist() == list(range(10))


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


def fingerprints(images: ImageSet) -> set[bytes]:
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


def test_a_relative_path_starts_from_the_root_given(folder: Path) -> None:
    dataset = load(config(dataset="folder", dataset_path=folder.name), root=folder.parent)
    assert len(dataset.train) + len(dataset.test) == 20


# Single pictures


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = noise(1, 40, 60)[0]
    # How a camera that was held so has stored it (EXIF 2.3, tag 0x0112).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "turned.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(file, exif=exif)
    np.testing.assert_array_equal(read_photograph(file, 32), upright)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_a_picture_of_another_kind_is_read_as_rgb(tmp_path: Path, mode: str) -> None:
    with Image.open(sorted((PHOTOS / "train").iterdir())[0]) as photograph:
        picture = photograph.convert("RGB")
        file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
        picture.convert(mode).save(file)
        pixels = read_photograph(file, 32)
        assert pixels.shape[2] == 3
        np.testing.assert_allclose(
            pixels.mean(axis=(0, 1)), np.asarray(picture).mean(axis=(0, 1)), atol=8
        )


def test_a_large_picture_is_reduced_to_what_training_cuts_from(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    Image.fromarray(noise(1, 300, 450)[0]).save(file)
    assert read_photograph(file, 32).shape == (192, 288, 3)


def test_a_picture_with_one_coloured_pixel_is_not_grayscale(tmp_path: Path) -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    file = tmp_path / "grey.png"
    grey[3, 5] = (128, 131, 127)
    Image.fromarray(grey).save(file)
    with pytest.raises(UserError, match="grayscale"):
        read_photograph(file, 32)
    grey[3, 5] = (128, 135, 127)
    Image.fromarray(grey).save(file)
    assert read_photograph(file, 32).shape == (32, 32, 3)


def test_a_truncated_picture_of_any_format_is_a_user_error(tmp_path: Path) -> None:
    with Image.open(sorted((PHOTOS / "train").iterdir())[0]) as photograph:
        picture = ImageOps.fit(photograph.convert("RGB"), (64, 64))
    for suffix, name in ((".jpg", "JPEG"), (".png", "PNG"), (".webp", "WEBP"), (".bmp", "BMP")):
        buffer = io.BytesIO()
        picture.save(buffer, name)
        for share in (0.0, 0.01, 0.3, 0.9):
            file = tmp_path / f"a{suffix}"
            file.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * share)])
            with pytest.raises(UserError, match="cannot be read as an image"):
                read_photograph(file, 32)


# Arrays in an .npz file


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    train, test = noise(6), noise(3, seed=1)
    dataset = load(write_npz(tmp_path / "a.npz", train=train, test=test))
    np.testing.assert_array_equal([levels(dataset.train, n)[0] for n in range(6)], train)
    np.testing.assert_array_equal(as_bytes(held_out(dataset.test, config())), test)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train": noise(2)}, "arrays train and test"),
        ({"train": noise(2), "test": noise(2).astype(float)}, "test is float64"),
        ({"train": noise(2)[..., :1], "test": noise(2)}, r"train is uint8 \(2, 32, 32, 1\)"),
        ({"train": noise(2)[0], "test": noise(2)}, r"train is uint8 \(32, 32, 3\)"),
        ({"train": noise(2), "test": noise(2)[:0]}, r"test is uint8 \(0, 32, 32, 3\)"),
        ({"train": noise(2, 32, 31), "test": noise(2)}, "train has images of 32x31, smaller than"),
        ({"train": np.array([{}]), "test": noise(2)}, "is not an .npz archive"),
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
    with pytest.raises(UserError, match=r"is not an .npz archive"):
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
    with pytest.raises(UserError, match=r"is not an .npz archive"):
        load(config(dataset="npz", dataset_path=str(path)))


def test_a_missing_archive_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.npz is not an .npz archive"):
        load(config(dataset="npz", dataset_path=str(tmp_path / "nowhere.npz")))


# CIFAR


@pytest.mark.skipif(not CIFAR.exists(), reason=f"no {CIFAR}")
def test_the_subset_of_cifar_loads_pixel_by_pixel() -> None:
    dataset = load(config(dataset="npz", dataset_path=str(CIFAR)))
    with np.load(CIFAR) as archive:
        train, test = archive["train"], archive["test"]
    assert (len(dataset.train), len(dataset.test)) == (5085, 1017)
    np.testing.assert_array_equal(dataset.train.pixels.numpy().reshape(train.shape), train)
    np.testing.assert_array_equal(as_bytes(held_out(dataset.test, config())), test[:1000])


def test_cifar_where_it_is_not_and_cannot_be_put_is_one_line(tmp_path: Path) -> None:
    # Below a file there is no directory to download to, with or without a network.
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "cifar"
    with pytest.raises(UserError, match=r"CIFAR10 is not in .* and cannot be downloaded") as caught:
        load(config(dataset="cifar10", dataset_path=str(path)))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cifar_has_one_size() -> None:
    with pytest.raises(UserError, match="32 pixels, not 64"):
        load(config(dataset="cifar100", image_size=64))
