"""Picture files as arrays: upright and in sRGB, for training and ``colorize`` alike.

libvips reads formats of up to 16 bits, which Pillow would reduce to 8; Pillow reads the others.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

# Set before the import, which reads it. Errors of a file are reported in one line anyway.
os.environ.setdefault("VIPS_WARNING", "0")

import pyvips

from gan.data.colour_tags import UNUSABLE_PROFILE, complaint_about, overrides_profile
from gan.data.profiles import is_usable
from gan.data.regular_file import fingerprint, regular_file
from gan.errors import UserError

SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe"}
    | {".jpeg", ".jpg", ".jxl", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"}
    | {".webp"}
)
"""Suffixes of the files that count as pictures in a folder; each is read or told in a line."""
FORMATS = "JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP or PPM"
# libvips' loader of WebP starts threads, for which a fork of the process would wait for ever.
BY_PILLOW = ("BMP", "GIF", "PPM", "WEBP")
"""Formats of 8 bits, which Pillow reads."""
MOST_PIXELS = 178_956_970
"""Largest picture that is read, by its header; Pillow's limit for decompression bombs."""
LONGEST_SIDE = 100_000
CHANNELS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "cmyk": 4}
"""Numbers of channels without alpha, by libvips' names of the supported colour spaces."""
ROWS_AT_A_TIME = 512
READ_AT_ONCE = 2**20
"""Bytes of a file up to which its header is not looked at first, which takes 0.3 ms."""
PROFILES = {"BMP": b"DEBM", "GIF": b"ICCRGBG1012"}
"""Marks of an ICC profile, which Pillow does not read there, in the first bytes of a file."""
HEAD = 1024
OTHERS = "sRGB, or a JPEG, PNG, TIFF, WebP or AVIF"
PROFILE = "icc-profile-data"
"""libvips' name of the ICC profile."""
ORIENTATION = 0x0112
"""EXIF tag."""
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""Errors of Pillow for a file that libvips can read, or tells more about."""

Pixels = NDArray[np.uint8]

# Loaders of other formats are not made for untrusted files.
pyvips.operation_block_set("VipsForeignLoad", True)
for _name in ("Jpeg", "Png", "Tiff", "Heif"):
    pyvips.operation_block_set(f"VipsForeignLoad{_name}", False)
pyvips.cache_set_max(0)
# Pillow warns above half of MOST_PIXELS. Filters around each call would not be safe in threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnusablePicture(UserError):
    """A picture whose content is unusable, however often it is read."""


@dataclass(frozen=True)
class PictureFile:
    """Content of a picture file."""

    samples: NDArray[Any]
    """Array (H, W) or (H, W, C), uint8 or uint16: grey or RGB, with or without alpha; sRGB."""
    format: str
    """Format of the content, whatever the file's suffix: jpeg, png, tiff, webp, heif, ..."""

    def rgb(self) -> Pixels:
        """Return (H, W, 3) uint8 as a viewer shows it: over white where it is transparent."""
        # The high byte, as Pillow does.
        samples = self.samples >> 8 if self.samples.dtype == np.uint16 else self.samples
        samples = samples.astype(np.uint8, copy=False).reshape(*samples.shape[:2], -1)
        channels = samples.shape[2]
        rgb = samples[..., :3] if channels > 2 else samples[..., [0, 0, 0]]
        if channels in (1, 3):
            return rgb
        alpha = samples[..., -1:].astype(np.uint16)
        return ((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def parts_of(folder: Path) -> list[Path]:
    """Return the directories with a dataset's pictures: train/ and test/, or else the folder."""
    parts = [folder / "train", folder / "test"]
    return parts if all(part.is_dir() for part in parts) else [folder]


def picture_names(directory: str, below: str = "") -> Iterator[str]:
    """Yield the picture files of a directory and those below it, hidden ones aside.

    Names are relative to the first directory, in the order of sorted ``Path`` objects. Links
    are named, those to folders too, and not followed: the reader tells of those without a picture.

    Raises:
        UserError: a directory cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{directory}: cannot be read ({error.strerror})") from None
    for entry in ordered:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from picture_names(entry.path, f"{below}{entry.name}/")
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:  # noqa: PTH122
            if entry.is_symlink() or entry.is_file():
                yield below + entry.name
        elif entry.is_symlink() and entry.is_dir():
            yield below + entry.name


def read_header(file: str) -> tuple[tuple[int, int], bytes]:
    """Read width and height, before any rotation, from a file's header, and a fingerprint.

    Raises:
        UserError: the file cannot be read, or by its header is no picture that is.
    """
    try:
        with regular_file(file) as opened:
            mark = fingerprint(opened)
            # 0.1 ms instead of libvips' 0.3.
            with (
                suppress(*PILLOW_ERRORS),
                Image.open(opened, formats=("JPEG", *BY_PILLOW)) as image,
            ):
                return image.size, mark
            image = _opened(pyvips.Source.new_from_file(os.fsencode(file)), opened, file)
            return (image.width, image.height), mark
    except pyvips.Error as error:
        raise _unreadable(file, error) from None


def read_picture(file: Path) -> PictureFile:
    """Decode the first picture in a file, like ``decode_picture``.

    A large file is read whole only if its header is that of a picture.

    Raises:
        UnusablePicture: the picture is damaged, too large, or of an unsupported kind.
        UserError: the file cannot be read (missing, no permission, failing disk, a pipe).
    """
    with regular_file(str(file)) as opened:
        if os.fstat(opened.fileno()).st_size > READ_AT_ONCE:
            read_header(str(file))
        content = opened.read()
    return decode_picture(content, str(file))


def decode_picture(content: bytes, name: str) -> PictureFile:
    """Decode a picture, rotate it upright by its EXIF tag, and convert it to sRGB by its profile.

    No thread is left behind: the process may be forked afterwards.

    Args:
        content: content of the file.
        name: name of the picture in messages.

    Raises:
        UnusablePicture: the picture is damaged, too large, or of an unsupported kind.
    """
    if not content:
        raise UnusablePicture(f"{name}: is empty")
    try:
        if (found := _by_pillow(content, name)) is None:
            image = _opened(pyvips.Source.new_from_memory(content), io.BytesIO(content), name)
            found = image, image.get("vips-loader").partition("load")[0]
        image, kind = found
        _require_profile(image, name)
        return PictureFile(_samples(image), kind)
    except pyvips.Error as error:
        raise _unreadable(name, error) from None


def _by_pillow(content: bytes, name: str) -> tuple[Any, str] | None:
    """Return libvips' image of a picture, and its format, if it is one that Pillow reads."""
    try:
        with Image.open(io.BytesIO(content), formats=BY_PILLOW) as opened:
            _require_sides(*opened.size, name)
            kind = str(opened.format)
            if opened.mode not in ("1", "L", "P", "RGB", "RGBA"):
                raise UnusablePicture(f"{name}: samples of kind {opened.mode}; valid: of 8 bits")
            if (mark := PROFILES.get(kind)) and mark in content[:HEAD]:
                raise UnusablePicture(f"{name}: its colour profile is not read; valid: {OTHERS}")
            grey = "L" if opened.mode in ("1", "L") else "RGB"
            samples = np.asarray(opened.convert("RGBA" if opened.has_transparency_data else grey))
            profile = opened.info.get("icc_profile")
            turn = opened.getexif().get(ORIENTATION)
    except UnidentifiedImageError:
        return None
    except (MemoryError, UserError):
        raise
    except Exception as error:  # a damaged file can raise anything its decoder does
        raise UnusablePicture(f"{name}: cannot be read as an image ({error})") from None
    space = "srgb" if samples.ndim == 3 else "b-w"
    image = pyvips.Image.new_from_array(samples).copy(interpretation=space)
    if turn in range(1, 9):  # a damaged file can have anything there
        image.set_type(pyvips.GValue.gint_type, "orientation", turn)
    if profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    return image, kind.lower()


def _opened(source: "pyvips.Source", file: BinaryIO, name: str) -> Any:
    """Open a picture by libvips; raise UnusablePicture if its header tells that it is not read."""
    image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
    if complaint := complaint_about(file, profile=bool(image.get_typeof(PROFILE))):
        raise UnusablePicture(f"{name}: {complaint}")
    if image.get_typeof(PROFILE) and overrides_profile(file):
        image = image.copy()  # metadata may be changed in a copy only
        image.remove(PROFILE)
    _require_sides(image.width, image.height, name)
    kind = image.interpretation
    known = CHANNELS.get(kind) == image.bands - image.hasalpha()
    if not known or image.format not in ("uchar", "ushort"):
        raise UnusablePicture(
            f"{name}: {image.bands} channels of {image.format} ({kind}); valid: grey, RGB or CMYK, "
            "with or without alpha, of 8 or 16 bits"
        )
    # Builds of libvips differ in whether they decode HEVC; datasets may not.
    if image.get_typeof("heif-compression") and image.get("heif-compression") != "av1":
        raise UnusablePicture(f"{name}: is HEIC, which is not read; convert it to JPEG or AVIF")
    return image


def _require_sides(width: int, height: int, name: str) -> None:
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise UnusablePicture(
            f"{name}: {width}x{height} pixels; valid: up to {MOST_PIXELS:,} in all and "
            f"{LONGEST_SIDE:,} a side"
        )


def _require_profile(image: Any, name: str) -> None:
    """Raise UnusablePicture if libvips would ignore a picture's profile and take it for sRGB.

    A grey picture keeps its values whatever its profile, which is often one for RGB.
    """
    mode = {3: "RGB", 4: "CMYK"}.get(CHANNELS[image.interpretation])
    if mode and image.get_typeof(PROFILE) and not is_usable(image.get(PROFILE), mode):
        raise UnusablePicture(f"{name}: {UNUSABLE_PROFILE}")


def _samples(image: Any) -> NDArray[Any]:
    """Decode a picture, in sRGB and upright."""
    turn = image.get("orientation") if image.get_typeof("orientation") else 1
    depth = 16 if image.format == "ushort" else 8
    if image.get_typeof(PROFILE):
        image = image.icc_transform("srgb", embedded=True, depth=depth)
    elif image.interpretation == "cmyk":
        image = image.colourspace("rgb16" if depth == 16 else "srgb")
    samples = np.empty(
        (image.height, image.width, image.bands), np.uint16 if depth == 16 else np.uint8
    )
    # A region is computed by this thread. Image.numpy() would start threads, and 785 photographs
    # of 192 pixels take it 1.3 times as long.
    region = pyvips.Region.new(image)
    for top in range(0, image.height, ROWS_AT_A_TIME):
        rows = samples[top : top + ROWS_AT_A_TIME]
        fetched = region.fetch(0, top, image.width, len(rows))
        rows[...] = np.frombuffer(fetched, samples.dtype).reshape(rows.shape)
    return np.ascontiguousarray(_upright(samples.squeeze(2) if image.bands == 1 else samples, turn))


def _upright(samples: NDArray[Any], turn: int) -> NDArray[Any]:
    """Undo the rotation and reflection that EXIF's tag names: 1 to 8."""
    if turn in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples[::-1] if turn in (3, 4, 7, 8) else samples


def _unreadable(name: str, error: "pyvips.Error") -> UnusablePicture:
    reason = first_reason(error)
    if "known format" in reason:
        reason = f"it is no {FORMATS}"
    return UnusablePicture(f"{name}: cannot be read as an image ({reason})")


def first_reason(error: "pyvips.Error") -> str:
    """Return the first line of an error of libvips that says something about the file."""
    lines = [line.strip() for line in error.detail.splitlines() if "bad seek" not in line]
    return next(filter(None, lines), "damaged")
