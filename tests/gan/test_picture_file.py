import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import torch
from PIL import Image

from gan.data.batches import training_batch
from gan.data.datasets import load
from gan.data.images import read_photograph
from gan.data.picture_file import BY_PILLOW, Pixels, picture_names, read_header, read_picture
from gan.errors import UserError
from orchestrator.inference.jobs import OutputOptions, plan_jobs
from tests.support.picture_files import (
    HEIC,
    encoded,
    in_profile,
    scene,
    srgb_profile,
    with_chunk,
    write_kinds,
)
from tests.support.streamed_images import of_folder, streamed


def written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


# One decoder


@pytest.mark.parametrize(
    ("profile", "suffix"),
    [
        *(("p3", suffix) for suffix in (".jpg", ".png", ".tif", ".webp", ".avif")),
        *(("cmyk", suffix) for suffix in (".jpg", ".tif")),
    ],
)
def test_pictures_train_with_the_colours_of_their_profile(
    tmp_path: Path, profile: str, suffix: str
) -> None:
    options: dict[str, dict[str, Any]] = {
        ".jpg": {"Q": 98, "subsample_mode": "off"},
        ".webp": {"lossless": True},
        ".avif": {"compression": "av1", "lossless": True},
    }
    file = written(tmp_path / "a", in_profile(profile, suffix, **options.get(suffix, {})))
    trained = read_photograph(file, 32).astype(int)
    # Printing inks reach not all of these colours.
    assert np.abs(trained - scene()).mean() < (4 if profile == "cmyk" else 1)
    np.testing.assert_array_equal(trained, read_picture(file).samples)


def test_a_profile_of_exchanged_colours_is_obeyed(tmp_path: Path) -> None:
    profile = srgb_profile().replace(b"rXYZ", b"xxxx").replace(b"bXYZ", b"rXYZ")
    swapped = encoded(scene(), "PNG", icc_profile=profile.replace(b"xxxx", b"bXYZ"))
    trained = read_photograph(written(tmp_path / "a.png", swapped), 32).astype(int)
    assert np.abs(trained - scene()[..., ::-1]).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".gif"])
def test_transparent_pixels_train_over_white_and_hidden_colours_do_not(
    tmp_path: Path, suffix: str
) -> None:
    alpha = np.full((96, 96), 255, np.uint8)
    alpha[:, :32], alpha[:, 32:64] = 0, 128 if suffix != ".gif" else 255
    picture = np.dstack([scene(), alpha])
    kind = {".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    file = written(tmp_path / f"a{suffix}", encoded(picture, kind, **options))
    with Image.open(file) as stored:  # a GIF has 256 colours
        colours = np.asarray(stored.convert("RGBA")).astype(float)
    share = alpha[..., None] / 255
    wanted = colours[..., :3] * share + 255 * (1 - share)
    trained = read_photograph(file, 32)
    assert (trained[:, :32] == 255).all()
    np.testing.assert_array_equal(trained[:, 64:], colours[:, 64:, :3])
    assert np.abs(trained - wanted).max() <= 0.5


def test_the_high_byte_of_16_bits_trains(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 2**16, (40, 48, 4), dtype=np.uint16)
    samples[..., 3] = 2**16 - 1
    image = pyvips.Image.new_from_array(samples).copy(interpretation="rgb16")
    file = written(tmp_path / "a.png", image.write_to_buffer(".png"))
    np.testing.assert_array_equal(read_photograph(file, 32), samples[..., :3] >> 8)


def as_pillow_reads(file: Path) -> Pixels:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in ("PNG", "TIFF", "GIF", "BMP", "PPM", "WEBP")),
        *(("JPEG", {"quality": q, "subsampling": s}) for q in (50, 95) for s in (0, 1, 2)),
        ("JPEG", {"progressive": True}),
    ],
)
def test_plain_pictures_train_bit_for_bit_as_pillow_reads_them(
    tmp_path: Path, kind: str, options: dict[str, int]
) -> None:
    file = written(tmp_path / "a", encoded(scene(), kind, **options))
    np.testing.assert_array_equal(read_photograph(file, 32), as_pillow_reads(file))


# One list, and a line for each that is not read


def test_folders_are_listed_alike_for_training_and_for_colorize(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".thumbnails").mkdir()
    for name in ("a.jfif", "b.heic", "c.avif", "d.jp2", "below/E.HEIF", "f.gif", "g.txt", ".h.png"):
        (tmp_path / name).touch()
    (tmp_path / ".thumbnails" / "i.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    names = ["a.jfif", "b.heic", "below/E.HEIF", "broken.png", "c.avif", "d.jp2", "f.gif"]
    assert list(picture_names(str(tmp_path))) == names
    jobs, refused = plan_jobs([tmp_path], OutputOptions(suffix="-x"))
    assert [str(job.picture.relative_to(tmp_path)) for job in jobs] == names
    assert refused == []


SRGB = encoded(scene(), "PNG")
PROFILED = encoded(scene(), "PNG", icc_profile=srgb_profile())
AVIF = encoded(scene(), "AVIF")
SRGB_POINTS = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
P3_POINTS = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
BMP = bytearray(encoded(scene(), "BMP"))
BMP[70:74] = b"DEBM"


def with_nclx(primaries: int, curve: int) -> bytes:
    at = AVIF.index(b"colrnclx") + 8
    return AVIF[:at] + bytes([0, primaries, 0, curve]) + AVIF[at + 4 :]


REFUSED = {
    "gamma 1": (with_chunk(SRGB, b"gAMA", 100_000), "its gAMA chunk says gamma 1; valid: sRGB"),
    "gamma 1.8": (with_chunk(SRGB, b"gAMA", 55_556), "says gamma 0.55556;"),
    "P3's primaries": (with_chunk(SRGB, b"cHRM", *P3_POINTS), "its cHRM chunk says other primary"),
    "P3": (with_chunk(SRGB, b"cICP", 12, 13, 0, 1, kind="B"), "primaries 12 and transfer 13 of"),
    "PQ": (with_chunk(SRGB, b"cICP", 9, 16, 0, 1, kind="B"), "its cICP chunk says primaries 9 and"),
    "YCbCr": (with_chunk(SRGB, b"cICP", 1, 13, 1, 1, kind="B"), "of H.273, not RGB of full range;"),
    "PQ, AVIF": (with_nclx(9, 16), "its nclx box says primaries 9 and transfer 16 of H.273"),
    "HEIC": (HEIC, "is HEIC, which is not read; convert it to JPEG or AVIF"),
    "JPEG 2000": (encoded(scene(), "JPEG2000"), "it is no JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP"),
    "profile in BMP": (bytes(BMP), "its colour profile is not read; valid: sRGB, or a JPEG"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_colours_that_would_be_misread_have_a_line(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = written(tmp_path / "a.png", content)
    with pytest.raises(UserError) as caught:
        read_picture(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


OBEYED = {
    "sRGB's gamma": with_chunk(SRGB, b"gAMA", 45_455),
    "sRGB's primaries": with_chunk(SRGB, b"cHRM", *SRGB_POINTS),
    "sRGB's code points": with_chunk(SRGB, b"cICP", 1, 13, 0, 1, kind="B"),
    "sRGB before gamma": with_chunk(with_chunk(SRGB, b"gAMA", 10**5), b"sRGB", 0, kind="B"),
    "profile before gamma": with_chunk(PROFILED, b"gAMA", 100_000),
}


@pytest.mark.parametrize("content", OBEYED.values(), ids=OBEYED)
def test_colours_told_twice_or_as_srgb_are_read(tmp_path: Path, content: bytes) -> None:
    trained = read_photograph(written(tmp_path / "a.png", content), 32).astype(int)
    assert np.abs(trained - scene()).max() <= 1


def test_what_a_header_tells_is_told_without_decoding(tmp_path: Path) -> None:
    for n, (content, _) in enumerate(REFUSED.values()):
        file = written(tmp_path / f"{n}.png", content)
        if content[:2] == b"BM":
            continue
        with pytest.raises(UserError, match=r"^[^\n]*\.png: "):
            read_header(str(file))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF", *BY_PILLOW])
def test_sides_are_read_from_headers(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path / "a", encoded(scene()[:40], kind))
    assert read_header(str(file))[0] == (96, 40)


# Pictures on disk, and in forks


def test_all_kinds_train_the_same_from_disk_and_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kinds(tmp_path)
    settings = of_folder(tmp_path, eval_images=40)
    memory, disk = load(settings), streamed(settings, monkeypatch)
    assert disk.skipped == memory.skipped
    assert [Path(line.split(": ")[0]).name for line in memory.skipped] == [
        *("camera.heic", "linear.png", "map.jp2")
    ]
    assert (len(disk.train), len(disk.test)) == (len(memory.train), len(memory.test)) == (15, 3)
    for step in range(4):
        batches = (training_batch(part.train, settings, step) for part in (disk, memory))
        assert torch.equal(*batches)


FORKED = """
import multiprocessing, sys
from pathlib import Path
from gan.data.picture_file import picture_names, read_picture
from gan.errors import UserError

def decode_all():
    for name in picture_names(sys.argv[1]):
        try:
            read_picture(Path(sys.argv[1], name))
        except UserError:
            pass

decode_all()
fork = multiprocessing.get_context("fork").Process(target=decode_all)
fork.start()
fork.join(30)
print(fork.exitcode)
fork.kill()
"""


READ = """
import sys
from pathlib import Path
from gan.data.picture_file import read_header, read_picture

print(read_header(sys.argv[1])[0], read_picture(Path(sys.argv[1])).samples.shape)
"""


def test_a_large_picture_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.ppm")
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "large.ppm")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert (done.stdout, done.stderr) == ("(10000, 9000) (9000, 10000)\n", "")


@pytest.mark.slow
def test_a_fork_of_a_process_that_decoded_pictures_decodes_too(tmp_path: Path) -> None:
    """Workers fork a process that has loaded the dataset; libvips' threads do not survive that."""
    write_kinds(tmp_path)
    (tmp_path / "turned.tif").write_bytes(encoded(scene(), "TIFF", compression="jpeg"))
    large = pyvips.Image.new_from_array(np.tile(scene(), (8, 8, 1)))
    large.write_to_file(str(tmp_path / "tiles.tif"), tile=True, compression="jpeg")
    large.write_to_file(str(tmp_path / "interlaced.png"), interlace=True)
    deep = (large.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    deep.write_to_file(str(tmp_path / "deep.tif"))
    deep.write_to_file(str(tmp_path / "deep.avif"), compression="av1", bitdepth=10)
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "without_profile.jpg")
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout == "0\n"
