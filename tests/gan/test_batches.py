from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gan.config import TrainConfig
from gan.data.batches import held_out
from gan.data.batches import training_batch as batch
from gan.data.datasets import Dataset, load
from gan.data.images import Groups, ImageSet
from tests.support import factories
from tests.support.image_sets import as_bytes, in_memory, levels

Pixels = NDArray[np.uint8]


config = partial(factories.config, batch_size=8, distribution_weight=0)


def noise(count: int, height: int = 32, width: int = 32, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write_npz(path: Path, **arrays: Any) -> TrainConfig:
    np.savez(path, **arrays)
    return config(dataset="npz", dataset_path=str(path), batch_size=2)


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
    return in_memory(load(write_npz(path, train=train, test=train)).train)


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


# Pictures that count as one image


GROUPS = [[0, 3, 7], [1], [2, 4], [5, 6, 8, 9]]


@pytest.fixture(scope="module")
def grouped(numbered: ImageSet) -> ImageSet:
    """Those 10 pictures as 4 images."""
    names = [next("abcd"[g] for g in range(4) if n in GROUPS[g]) for n in range(10)]
    return replace(numbered, groups=Groups.of(names))


def group_of(picture: int) -> int:
    return next(g for g in range(4) if picture in GROUPS[g])


@pytest.mark.parametrize(("batch_size", "steps"), [(4, 12), (3, 16), (9, 8)])
def test_an_epoch_shows_one_picture_of_each_group(
    grouped: ImageSet, batch_size: int, steps: int
) -> None:
    assert len(grouped) == 4
    seen = order(grouped, steps, batch_size=batch_size)
    epochs = [seen[i : i + 4] for i in range(0, len(seen) - 3, 4)]
    for epoch in epochs:
        assert sorted(group_of(n) for n in epoch) == [0, 1, 2, 3]
    assert len({tuple(group_of(n) for n in epoch) for epoch in epochs}) > 6, "in any order"


def test_the_pictures_of_a_group_are_shown_equally_often(grouped: ImageSet) -> None:
    seen = order(grouped, 12, batch_size=4)
    counts = Counter(seen)
    assert counts == {n: 12 // len(GROUPS[group_of(n)]) for n in range(10)}
    assert len(set(seen[:16])) == 10, "all of them in as many epochs as the largest group has"


def test_which_picture_of_a_group_comes_first_is_the_seeds(grouped: ImageSet) -> None:
    firsts = [tuple(sorted(order(grouped, 1, batch_size=4, seed=seed))) for seed in range(40)]
    assert firsts[0] == tuple(sorted(order(grouped, 1, batch_size=4, seed=0)))
    assert {n for first in firsts for n in first} == set(range(10))
    assert len(set(firsts)) > 12, "of 24 combinations"


def test_a_batch_of_groups_is_a_function_of_seed_and_step(grouped: ImageSet) -> None:
    direct = order(grouped, 7, batch_size=3)[-3:]
    fresh = replace(grouped, groups=Groups.of([str(group_of(n)) for n in range(10)]))
    assert as_bytes(batch(fresh, config(batch_size=3), 6))[:, 0, 0, 0].tolist() == direct


def test_groups_of_one_picture_each_are_no_groups(numbered: ImageSet) -> None:
    single = replace(numbered, groups=Groups.of([str(n) for n in range(10)]))
    for step in range(5):
        settings = config(batch_size=7)
        assert torch.equal(batch(single, settings, step), batch(numbered, settings, step))
    assert torch.equal(held_out(single, settings)[0], held_out(numbered, settings)[0])


def test_a_group_is_held_out_once(grouped: ImageSet) -> None:
    rgb = as_bytes(held_out(grouped, config(eval_images=1000))[0])
    assert [group_of(n) for n in rgb[:, 0, 0, 0]] == [0, 1, 2, 3]


def test_the_digest_is_of_the_groups_too(numbered: ImageSet, grouped: ImageSet) -> None:
    assert Dataset(grouped, numbered).digest != Dataset(numbered, numbered).digest


# Crops


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
    return train, in_memory(load(write_npz(path, train=train, test=train)).train)


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


@pytest.mark.slow
def test_training_crops_are_windows_of_all_scales_and_places(photos: Dataset) -> None:
    images = in_memory(photos.train)
    windows = as_bytes(batch(images, config(batch_size=40, augment=False), 0))
    packed = images.pixels.int() @ torch.tensor([1, 256, 65536], dtype=torch.int32)
    stored = packed.numpy()
    # Start, picture, scale and width of every level, in the order in which they are stored.
    table = np.array(
        [
            (images.offsets[n, k], n, k, images.widths[n, k])
            for n in range(len(images.scales))
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
    fixed, _ = held_out(photos.test, config(eval_images=50))
    for fields in ({"seed": 9}, {"batch_size": 3}, {"augment": False, "base_channels": 8}):
        assert torch.equal(held_out(photos.test, config(eval_images=50, **fields))[0], fixed)


def test_a_longer_held_out_set_begins_with_the_shorter(photos: Dataset) -> None:
    short, long = (held_out(photos.test, config(eval_images=n))[0] for n in (12, 100))
    assert len(short) == 12
    assert len(long) == 100
    assert torch.equal(long[:12], short)


def test_held_out_images_are_first_the_middle_of_each_picture(photos: Dataset) -> None:
    rgb = as_bytes(held_out(photos.test, config(eval_images=36))[0])
    for n in range(36):
        smallest = levels(photos.test, n)[0]
        top, left = (round((side - 32) / 2) for side in smallest.shape[:2])
        around = [smallest[:, left + d : left + d + 32] for d in (-1, 0, 1) if left + d >= 0]
        around += [smallest[top + d : top + d + 32] for d in (-1, 0, 1) if top + d >= 0]
        assert any(np.array_equal(rgb[n], window) for window in around)


def test_pictures_of_just_the_right_size_are_held_out_once_each(numbered: ImageSet) -> None:
    rgb = as_bytes(held_out(numbered, config(eval_images=1000))[0])
    assert rgb[:, 0, 0, 0].tolist() == list(range(10))


def test_settings_are_chosen_on_one_half_of_the_images_and_reported_on_the_other(
    photos: Dataset,
) -> None:
    shown = {
        half: held_out(photos.test, config(eval_images=1000, eval_half=half))
        for half in ("all", "first", "second")
    }
    count = len(photos.test)
    of = {half: set(photograph.tolist()) for half, (_, photograph) in shown.items()}
    assert of["first"] == set(range(0, count, 2)), "in turns: neighbours are often alike"
    assert of["second"] == set(range(1, count, 2))
    assert of["all"] == of["first"] | of["second"]
    for half, (rgb, photograph) in shown.items():
        assert len(rgb) == len(photograph) == 1000, half
        # Its own images are first seen as they are in the whole set.
        images = len(of[half])
        middle = shown["all"][0][photograph[:images]]
        assert torch.equal(rgb[:images], middle)
