import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gan.data import datasets
from gan.data.batches import Batches, held_out, training_batch
from gan.data.datasets import load
from gan.data.images import ImageSet
from gan.data.picture_file import SUFFIXES, picture_names
from gan.data.streaming import Files, StreamedImages, Strings
from gan.errors import UserError
from tests.support.streamed_images import config, noise, of_folder, streamed

pytestmark = pytest.mark.usefixtures("quick_evaluations")

Pixels = NDArray[np.uint8]


# The same pictures, bit for bit


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("augment", [False, True])
def test_streamed_batches_are_those_of_the_same_pictures_in_memory(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, size: int, augment: bool
) -> None:
    settings = of_folder(mixed, image_size=size, augment=augment, eval_images=40)
    memory, disk = load(settings), streamed(settings, monkeypatch)
    assert isinstance(memory.train, ImageSet)
    assert (len(disk.train), len(disk.test)) == (len(memory.train), len(memory.test))
    for step in (0, 1, 2, 3, 17, 1000):
        wanted = training_batch(memory.train, settings, step)
        batch = training_batch(disk.train, settings, step)
        assert torch.equal(batch, wanted)
        # Convolutions choose their algorithm, and with it the last bit, by the layout.
        assert batch.stride() == wanted.stride()
    held = (held_out(images, settings) for images in (disk.test, memory.test))
    assert all(torch.equal(a, b) for a, b in zip(*held, strict=True))


def test_every_crop_there_is_can_be_reached_alike(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = of_folder(mixed)
    images = [load(settings).train, streamed(settings, monkeypatch).train]
    count = len(images[0])
    edge = float(np.nextafter(np.float32(1), np.float32(0)))
    # Places of which float32 and float64 make different pixels: m / 66 just below a pixel m.
    below = np.floor(np.arange(1, 66) / 66 * 2**24) / 2**24
    places = [float(p) for p in below if int(np.float32(p) * np.float32(66)) > int(p * 66)]
    assert len(places) > 5
    for scale in (0.0, 0.5, edge):
        for place in (0.0, 0.5, edge, *places[:5]):
            where = (
                torch.arange(count),
                torch.full((count,), scale),
                torch.full((count, 2), place),
                torch.arange(count) % 2 == 0,
            )
            memory, disk = (x.crops(*where, 32) for x in images)
            assert torch.equal(memory, disk)


def test_squares_of_the_right_size_are_held_out_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(24):
        noise(32, 32, seed=n).save(tmp_path / f"{n:02}.png")
    disk = streamed(of_folder(tmp_path), monkeypatch)
    rgb = (held_out(disk.test, config())[0] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(rgb, [np.asarray(noise(32, 32, seed=n)) for n in (7, 15, 23)])


def test_a_folder_is_streamed_when_its_pictures_at_all_scales_exceed_the_limit(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = of_folder(mixed)
    memory = load(settings).train
    assert isinstance(memory, ImageSet)
    needed = memory.pixels.numel()
    for limit, kind in ((needed, ImageSet), (needed - 1, StreamedImages)):
        datasets._load.cache_clear()
        monkeypatch.setattr(datasets, "STREAM_BYTES", limit)
        assert isinstance(load(settings).train, kind)
    datasets._load.cache_clear()


def test_a_folder_with_train_and_test_is_streamed_like_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, count in (("train", 9), ("test", 3)):
        (tmp_path / part).mkdir()
        for n in range(count):
            noise(40, 48, seed=n + count).save(tmp_path / part / f"{n}.png")
    settings = of_folder(tmp_path)
    memory, disk = load(settings), streamed(settings, monkeypatch)
    assert (len(disk.train), len(disk.test)) == (9, 3)
    assert torch.equal(
        training_batch(disk.train, settings, 3), training_batch(memory.train, settings, 3)
    )
    held = (held_out(images, settings) for images in (disk.test, memory.test))
    assert all(torch.equal(a, b) for a, b in zip(*held, strict=True))


def test_the_digest_of_streamed_pictures_is_that_of_their_names_sizes_and_middles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for where, names in (("a", "abcdefghijkl"), ("b", "abcdefghijkl"), ("c", "abcdefghijkm")):
        (tmp_path / where).mkdir()
        for n, name in enumerate(names):
            noise(40, 48, seed=n).save(tmp_path / where / f"{name}.png")
        digests.append(streamed(of_folder(tmp_path / where), monkeypatch).digest)
    assert digests[0] == digests[1] != digests[2]
    noise(40, 52, seed=1).save(tmp_path / "b" / "b.png")  # another picture of the same name
    assert streamed(of_folder(tmp_path / "b"), monkeypatch).digest != digests[1]


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".tif"])
def test_another_picture_of_the_same_name_and_size_has_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    for n in range(12):
        noise(40, 48, seed=n).save(tmp_path / f"{n}{suffix}")
    before = streamed(of_folder(tmp_path), monkeypatch).digest
    replaced = tmp_path / f"3{suffix}"
    size = replaced.stat().st_size
    noise(40, 48, seed=20).save(replaced)
    assert replaced.stat().st_size == size
    assert streamed(of_folder(tmp_path), monkeypatch).digest != before
    noise(40, 48, seed=3).save(replaced)
    assert streamed(of_folder(tmp_path), monkeypatch).digest == before


def test_pictures_keep_the_order_of_their_sorted_paths(tmp_path: Path) -> None:
    # "a-b" sorts before "a/b" as a string, and after it as a path.
    for name in ("a/x.png", "a-b.png", "a.png", "B.PNG", "a/b/c.png", "a b.png", "ä.jpg", "n.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list(picture_names(str(tmp_path)))
    wanted = sorted(p for p in tmp_path.rglob("*") if p.suffix.lower() in SUFFIXES)
    assert [tmp_path / name for name in found] == wanted
    assert len(found) == 7


def test_packed_strings_are_those_put_in() -> None:
    strings = [b"", b"a", b"", b"\xff\x00", b"long" * 1000]
    packed = Strings.of(strings)
    assert len(packed) == 5
    assert [packed[n] for n in range(5)] == strings


# Pictures that turn out to be bad


def middle(images: StreamedImages, *index: int) -> Tensor:
    count = len(index)
    half = torch.full((count, 2), 0.5)
    flip = torch.zeros(count, dtype=torch.bool)
    return images.crops(torch.tensor(index), torch.zeros(count), half, flip, 32)


@pytest.fixture
def spoilt(tmp_path: Path) -> StreamedImages:
    """10 pictures: 3 is cut off, 4 grayscale, 9 too small."""
    for n in range(10):
        noise(40, 48, seed=n).save(tmp_path / f"{n}.png")
    cut = tmp_path / "3.png"
    cut.write_bytes(cut.read_bytes()[:-3000])
    noise(40, 48).convert("L").save(tmp_path / "4.png")
    noise(31, 48).save(tmp_path / "9.png")
    return StreamedImages(Files.of(str(tmp_path), [f"{n}.png" for n in range(10)]), 32)


def test_the_next_usable_picture_stands_in_for_a_bad_one(spoilt: StreamedImages) -> None:
    for _ in range(2):
        assert torch.equal(middle(spoilt, 3, 4, 9, 1), middle(spoilt, 5, 5, 0, 1))
    assert spoilt.bad == {3, 4, 9}
    assert len(spoilt) == 10


def test_a_bad_picture_changes_no_other_crop(spoilt: StreamedImages, tmp_path: Path) -> None:
    before = training_batch(spoilt, config(batch_size=10), 0)
    noise(40, 48, seed=3).save(tmp_path / "3.png")
    healed = StreamedImages(spoilt.source, 32)
    after = training_batch(healed, config(batch_size=10), 0)
    differing = [n for n in range(10) if not torch.equal(before[n], after[n])]
    assert len(differing) == 1


def test_a_stream_without_a_usable_picture_is_the_users_mistake(tmp_path: Path) -> None:
    for n in range(4):
        noise(40, 48).convert("L").save(tmp_path / f"{n}.png")
    images = StreamedImages(Files.of(str(tmp_path), [f"{n}.png" for n in range(4)]), 32)
    with pytest.raises(UserError, match="none of 4 images is usable"):
        middle(images, 2)


def test_a_picture_that_cannot_be_read_ends_the_training_with_its_name(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(mixed, folder)
    images = streamed(of_folder(folder, batch_size=20), monkeypatch).train
    assert isinstance(images, StreamedImages)
    # Another picture in its place would be another training.
    lost = Path(images.source.name(11))
    lost.rename(folder / "away")
    batches = Batches(images, config(batch_size=len(images)))
    with pytest.raises(UserError, match=f"{lost.name}: cannot be read") as caught:
        batches.at(0)
    assert "\n" not in str(caught.value)
    (folder / "away").rename(lost)
    whole = training_batch(images, config(batch_size=len(images)), 0)
    assert torch.equal(batches.at(0), whole), "it goes on when the picture is back"
    batches.close()


def test_pictures_whose_headers_tell_are_left_out(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(mixed, folder)
    noise(31, 500).save(folder / "low.png")
    (folder / "page.jpg").write_bytes(b"<html>404</html>")
    disk, memory = streamed(of_folder(folder), monkeypatch), load(of_folder(folder))
    assert disk.skipped == memory.skipped
    assert [Path(line.split(": ")[0]).name for line in disk.skipped] == ["low.png", "page.jpg"]
    assert len(disk.train) + len(disk.test) == 27


# Memory


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Path]:
    """100,000 JPEG files of 64x64 pixels: 200 pictures under 500 names each."""
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(200):
        smooth = noise(8, 8, seed=n).resize((64, 64), Image.Resampling.BICUBIC)
        smooth.save(tmp_path / f"{n}.jpg")
    for n in range(100_000):
        os.link(tmp_path / f"{n % 200}.jpg", folder / f"{n:06}.jpg")
    yield folder
    shutil.rmtree(folder)


def test_a_hundred_thousand_pictures_take_less_than_a_gibibyte(many: Path) -> None:
    """Takes 27 s on two busy cores, 10 of them for the headers."""
    script = """if True:
        import sys
        import torch
        torch.set_num_threads(2)
        from gan.config import TrainConfig
        from gan.data.batches import Batches, held_out
        from gan.data.datasets import load
        config = TrainConfig(dataset="folder", dataset_path=sys.argv[1], image_size=64, steps=1)
        dataset = load(config)
        batches = Batches(dataset.train, config)
        for step in range(40):
            assert batches.at(step).shape == (128, 3, 64, 64)
        assert held_out(dataset.test, config)[0].shape == (1000, 3, 64, 64)
        print(len(dataset.train) + len(dataset.test))
        # Not ru_maxrss: that begins with what the parent process had when it forked.
        with open("/proc/self/status") as status:
            print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(many)], stdout=subprocess.PIPE, text=True, check=True
    )
    count, peak_kib = map(int, done.stdout.split())
    assert count == 100_000
    assert peak_kib < 2**20
    # The pixels alone would take 1.15 GiB.
    assert count * 64 * 64 * 3 > 2**30
