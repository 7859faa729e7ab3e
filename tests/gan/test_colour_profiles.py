"""Pictures whose ICC profile is not to be used: a line each, or the colours that go before it."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import ImageCms

from gan.data.picture_file import (
    Pixels,
    UnusablePicture,
    decode_picture,
    read_header,
    read_picture,
)
from gan.data.profiles import is_usable
from tests.support.picture_files import encoded, in_profile, scene, srgb_profile, with_chunk

P3: bytes = pyvips.Image.new_from_buffer(in_profile("p3", ".jpg"), "").get("icc-profile-data")
DAMAGED = {
    "a damaged signature": P3.replace(b"acsp", b"xxxx"),
    "no primary colour": P3.replace(b"rXYZ", b"xxxx"),
    "cut off": P3[:-10],
    "version 5": P3[:8] + b"\5" + P3[9:],
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("profile", DAMAGED.values(), ids=DAMAGED)
def test_a_picture_whose_profile_cannot_be_used_is_refused(profile: bytes, kind: str) -> None:
    decode_picture(encoded(scene(), kind, icc_profile=P3), "a")
    with pytest.raises(UnusablePicture, match=r"^a: its colour profile cannot be used$"):
        decode_picture(encoded(scene(), kind, icc_profile=profile), "a")


def test_a_profile_that_libpng_drops_is_told_by_the_header(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(scene(), "PNG", icc_profile=P3[:-10]))
    with pytest.raises(UnusablePicture, match="its colour profile cannot be used"):
        read_header(str(file))


def test_a_png_that_says_srgb_too_is_read_without_a_dropped_profile(tmp_path: Path) -> None:
    compressed = zlib.compress(P3[:-10])
    png = with_chunk(encoded(scene(), "PNG"), b"iCCP", *b"x\0\0", *compressed, kind="B")
    with pytest.raises(UnusablePicture):
        decode_picture(png, "a")
    picture = decode_picture(with_chunk(png, b"sRGB", 0, kind="B"), "a")
    np.testing.assert_array_equal(picture.samples, scene())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("profile", [P3, P3[:-10]], ids=["RGB", "cut off"])
def test_a_grey_picture_keeps_its_values_whatever_its_profile(
    tmp_path: Path, kind: str, profile: bytes
) -> None:
    grey = scene()[..., 0]
    with_profile, without = encoded(grey, kind, icc_profile=profile), encoded(grey, kind)
    (tmp_path / "a").write_bytes(with_profile)
    assert read_header(str(tmp_path / "a"))[0] == (96, 96)
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a").rgb(), decode_picture(without, "a").rgb()
    )


def with_cicp(png: bytes, *code_points: int) -> bytes:
    return with_chunk(png, b"cICP", *code_points, kind="B")


@pytest.mark.parametrize("pixels", [scene(), scene()[..., 0]], ids=["RGB", "grey"])
def test_a_pngs_code_points_of_another_space_are_refused_beside_a_profile_too(
    tmp_path: Path, pixels: Pixels
) -> None:
    file = tmp_path / "a.png"
    refused = r"^[^\n]*a\.png: its cICP chunk says primaries 12 and transfer 13 of H\.273; valid: "
    for profile in (None, srgb_profile(), P3, P3[:-10]):
        file.write_bytes(with_cicp(encoded(pixels, "PNG", icc_profile=profile), 12, 13, 0, 1))
        with pytest.raises(UnusablePicture, match=refused):
            read_picture(file)
        with pytest.raises(UnusablePicture, match=refused):
            read_header(str(file))


@pytest.mark.parametrize("profile", [P3, DAMAGED["no primary colour"], P3[:-10]])
def test_a_pngs_code_points_of_srgb_go_before_its_profile(profile: bytes) -> None:
    png = encoded(scene(), "PNG", icc_profile=profile)
    picture = decode_picture(with_cicp(png, 1, 13, 0, 1), "a")
    np.testing.assert_array_equal(picture.samples, scene())


def test_unspecified_code_points_leave_the_colours_to_the_profile() -> None:
    png = in_profile("p3", ".png")
    picture = decode_picture(with_cicp(png, 2, 2, 0, 1), "a")
    np.testing.assert_array_equal(picture.samples, decode_picture(png, "a").samples)
    assert np.abs(picture.samples.astype(int) - scene()).mean() < 1


def test_words_of_a_comment_are_no_profile() -> None:
    ppm = encoded(scene(), "PPM").replace(b"P6\n", b"P6\n# quality: none\n", 1)
    np.testing.assert_array_equal(decode_picture(ppm, "a").samples, scene())


def test_a_profile_of_many_pictures_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    build = ImageCms.buildTransform

    def counted(*args: object) -> object:
        tried.append(args)
        return build(*args)  # type: ignore[arg-type]

    is_usable.cache_clear()
    monkeypatch.setattr(ImageCms, "buildTransform", counted)
    for n in range(4):
        decode_picture(encoded(scene() + n, "PNG", icc_profile=P3), "a")
    assert len(tried) == 1
