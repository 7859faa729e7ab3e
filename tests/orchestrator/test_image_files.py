import io
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from gan.data.picture_file import PictureFile
from gan.errors import UserError
from orchestrator.inference.image_files import count_pictures, read_picture, write_picture
from tests.support.saved_generators import photograph

ORIENTATION = 0x0112


def saved(file: Path, samples: NDArray[Any], mode: str | None = None, **options: Any) -> Path:
    """By Pillow."""
    image = Image.fromarray(samples)
    (image.convert(mode) if mode else image).save(file, **options)
    return file


def png16(samples: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits, put together by its specification: Pillow writes none in colour."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "jpeg"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_8_bits_are_read_as_pillow_reads_them(tmp_path: Path, kind: str, mode: str) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    file = saved(tmp_path / "any name", photograph(), mode, format=kind, **options)
    expected = np.asarray(Image.open(file).convert(mode)).astype(int)
    found = read_picture(file)
    samples = found.samples[..., 0] if kind == "webp" and mode == "L" else found.samples
    assert samples.shape == expected.shape
    assert found.samples.dtype == np.uint8
    assert found.format == ("lossless webp" if kind == "webp" else kind)
    # Two decoders of JPEG may round differently.
    assert np.abs(samples - expected).max() <= (2 if kind == "jpeg" else 0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_survive_reading_and_writing(tmp_path: Path, channels: int, suffix: str) -> None:
    picture = np.dstack([photograph(dtype=np.uint16)] * 2)[..., :channels]
    file = tmp_path / f"x{suffix}"
    if suffix == ".png":
        file.write_bytes(png16(picture))
    else:
        alpha = ["unassalpha"] if channels % 2 == 0 else None
        kind = "rgb" if channels > 2 else "minisblack"
        tifffile.imwrite(file, picture.squeeze(), photometric=kind, extrasamples=alpha)
    found = read_picture(file)
    np.testing.assert_array_equal(found.samples.reshape(picture.shape), picture)
    colour = found.samples if channels > 2 else np.dstack([picture] * 4)[..., : channels + 2]
    written = tmp_path / "written"
    write_picture(written, PictureFile(colour, found.format))
    np.testing.assert_array_equal(read_picture(written).samples, colour)
    if suffix == ".png":
        assert written.read_bytes()[24] == 16
    else:
        np.testing.assert_array_equal(tifffile.imread(written), colour)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [*itertools.product([".png", ".tif", ".webp"], ["LA", "RGBA"]), (".png", "P"), (".png", "PA")],
)
def test_alpha_and_palettes_are_read(tmp_path: Path, suffix: str, mode: str) -> None:
    rgba = Image.fromarray(np.dstack([photograph(), photograph()[..., 0] // 2]))
    palettes = {"P": rgba.convert("RGB").quantize, "PA": rgba.quantize}
    image = palettes[mode](100) if mode in palettes else rgba.convert(mode)
    file = tmp_path / f"x{suffix}"
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    image.save(file, **options)
    expected = np.asarray(Image.open(file).convert("RGB" if mode == "P" else "RGBA"))
    samples = read_picture(file).samples
    if samples.shape[2] == 2:
        samples = samples[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(samples, expected)


def test_premultiplied_alpha_is_undone(tmp_path: Path) -> None:
    picture = np.dstack([photograph() // 2, np.full((192, 256), 128, np.uint8)])
    file = tmp_path / "x.tif"
    tifffile.imwrite(file, picture, photometric="rgb", extrasamples=["assocalpha"])
    samples = read_picture(file).samples
    np.testing.assert_allclose(samples[..., :3], picture[..., :3] * (255 / 128), atol=1)
    np.testing.assert_array_equal(samples[..., 3], 128)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_pictures_come_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    file = saved(tmp_path / "x", photograph(), format=kind, exif=exif, **options)
    with Image.open(file) as image:
        assert image.getexif()[ORIENTATION] == orientation
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    picture = read_picture(file)
    assert np.abs(picture.samples - upright).max() <= (2 if kind == "jpeg" else 0)
    write_picture(file, picture)
    with Image.open(file) as image:
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert image.size == upright.shape[1::-1]


def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    # sRGB with red and blue exchanged: the tags of the colorants, renamed.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"xxxx").replace(b"bXYZ", b"rXYZ").replace(b"xxxx", b"bXYZ")
    file = saved(tmp_path / "x.png", photograph(), icc_profile=swapped)
    samples = read_picture(file).samples.astype(int)
    assert np.abs(samples - photograph()[..., ::-1]).max() <= 2
    assert np.abs(samples - photograph()).max() > 50


def test_cmyk_is_read_in_colour(tmp_path: Path) -> None:
    samples = read_picture(saved(tmp_path / "x.jpg", photograph(), "CMYK", quality=95)).samples
    assert samples.shape == (192, 256, 3)
    correlations = [
        np.corrcoef(samples[..., c].ravel(), photograph()[..., c].ravel())[0, 1] for c in range(3)
    ]
    assert min(correlations) > 0.95


def test_jpegs_are_written_with_all_their_colour(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.jpg", PictureFile(photograph(), "jpeg"))
    with Image.open(tmp_path / "x.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
        assert np.abs(np.asarray(image).astype(int) - photograph()).mean() < 2


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    file = saved(tmp_path / "x[page=2].png", photograph(), format="png")
    assert read_picture(file).samples.shape == (192, 256, 3)


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photograph()).save(buffer, kind, **options)
    return buffer.getvalue()


def first_part(kind: str) -> bytes:
    content = encoded(kind)
    return content[: len(content) * 2 // 3]


def several(kind: str) -> bytes:
    return encoded(kind, save_all=True, append_images=[Image.fromarray(photograph()[::-1])])


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"not an image", "cannot be read as an image"),
    "SVG": (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "it is no JPEG, PNG, TIFF",
    ),
    "GIF": (encoded("GIF"), "GIF is read, but not written; convert it to JPEG, PNG"),
    "only a header": (encoded("PNG")[:40], "cannot be read as an image"),
    **{
        f"truncated {kind}": (first_part(kind), "cannot be")
        for kind in ("JPEG", "PNG", "TIFF", "WEBP")
    },
    "pages": (several("TIFF"), "holds 2 pictures"),
    "animation": (several("WEBP"), "holds 2 pictures"),
    "animated PNG": (several("PNG"), "holds 2 pictures"),
}


def test_the_first_picture_of_a_jpeg_with_others_is_read_and_they_are_counted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "stereo.jpg"
    file.write_bytes(several("MPO"))
    alone = saved(tmp_path / "alone.jpg", photograph())
    found = read_picture(file)
    assert (found.format, count_pictures(file), count_pictures(alone)) == ("jpeg", 2, 1)
    np.testing.assert_array_equal(found.samples, read_picture(alone).samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_of_a_tiff_are_counted(tmp_path: Path, dtype: Any, compression: str | None) -> None:
    file = tmp_path / "pages.tif"
    pages = np.stack([photograph(dtype=dtype)] * 3)
    tifffile.imwrite(file, pages, photometric="rgb", compression=compression)
    assert count_pictures(file) == 3
    with pytest.raises(UserError, match=r"pages\.tif: holds 3 pictures; valid: one a file"):
        read_picture(file)


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_what_is_no_whole_picture_is_refused_in_one_line(
    tmp_path: Path, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_picture(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["bomb.png", "bomb.tif", "bomb.jpg", "long.png"])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    options: dict[str, Any] = {"compression": "group4"} if name.endswith("tif") else {}
    if name == "bomb.jpg":
        content = bytearray(encoded("JPEG"))
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
        file.write_bytes(content)
    else:
        sides = (1, 120_000) if name == "long.png" else (14_000, 13_000)
        Image.new("1", sides).save(file, **options)
    with pytest.raises(UserError, match=r"valid: up to 178,956,970 in all and 100,000 a side"):
        read_picture(file)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_samples_of_another_kind_are_refused(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(photograph())
    (image if mode == "LAB" else image.convert("L")).convert(mode).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=r"x\.tif: "):
        read_picture(tmp_path / "x.tif")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        read_picture(tmp_path / "x.jpg")
    with pytest.raises(UserError, match="cannot be read"):
        read_picture(tmp_path)


def test_where_nothing_can_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written") as caught:
        write_picture(tmp_path / "file" / "x.jpg", PictureFile(photograph(), "jpeg"))
    assert "\n" not in str(caught.value)
