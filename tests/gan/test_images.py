import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from gan.data.identity import PHOTOS
from gan.data.images import read_photograph
from gan.data.picture_file import Pixels
from gan.errors import UserError


def noise(count: int, height: int = 32, width: int = 32, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


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


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_picture_of_another_kind_is_read_as_rgb(tmp_path: Path, mode: str) -> None:
    with Image.open(sorted((PHOTOS / "train").iterdir())[0]) as photograph:
        picture = photograph.convert("RGB")
        file = tmp_path / "a.png"
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
            with pytest.raises(UserError, match=r"cannot be read as an image|is empty"):
                read_photograph(file, 32)
