"""Picture files: JPEG, PNG, TIFF and WebP of 8 or 16 bits, upright and in sRGB.

libvips reads them, since Pillow reads 16-bit colour as 8 bits.
"""

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Set before the import, which reads it. Errors of a file are reported in one line anyway.
os.environ.setdefault("VIPS_WARNING", "0")

import pyvips
from numpy.typing import NDArray
from PIL import Image

from gan.checkpoint import write_file
from gan.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
MOST_PIXELS = 178_956_970
"""Largest picture that is read, by its header; Pillow's limit for decompression bombs."""
LONGEST_SIDE = 100_000
CHANNELS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "cmyk": 4}
"""Numbers of channels without alpha, by libvips' names of the supported colour spaces."""
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": (".jpg", {"Q": 95, "subsample_mode": "off"}),
    # 12 megapixels take 1.6 s; at the usual levels 5 to 8 s, for files an eighth smaller.
    "png": (".png", {"compression": 1}),
    "tiff": (".tif", {"compression": "none"}),
    # 3.7 s instead of 7.8 s, for a file of the same size.
    "webp": (".webp", {"Q": 95, "effort": 0, "smart_subsample": True}),
}
"""Suffix of libvips' writer and its options, by format."""

_PILLOWS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""Errors of Pillow for a file that libvips can read."""

# Loaders of other formats are not made for untrusted files.
pyvips.operation_block_set("VipsForeignLoad", True)
for _name in ("Jpeg", "Png", "Tiff", "Webp"):
    pyvips.operation_block_set(f"VipsForeignLoad{_name}", False)
pyvips.cache_set_max(0)


@dataclass(frozen=True)
class PictureFile:
    """Content of a picture file."""

    samples: NDArray[Any]
    """Array (H, W) or (H, W, C), uint8 or uint16: grey or RGB, with or without alpha."""
    format: str
    """Format of the content, whatever the file's suffix: jpeg, png, tiff or webp."""
    pictures: int = 1
    """Pictures in the file: a JPEG may be followed by others, such as a second view, a gain map
    or a preview; only the first is read."""


def read_picture(file: Path) -> PictureFile:
    """Decode a picture, rotate it upright by its EXIF tag, and convert it to sRGB by its profile.

    Raises:
        UserError: the picture cannot be read whole, is too large, or is of an unsupported kind.
    """
    try:
        if not file.stat().st_size:
            raise UserError(f"{file}: is empty")
        with file.open("rb"):
            pass  # libvips would not say why this fails
        source = pyvips.Source.new_from_file(str(file))
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        _refuse(file, image)
        kind = image.get("vips-loader").partition("load")[0]
        pictures = max(image.get("n-pages") if image.get_typeof("n-pages") else 1, _pictures(file))
        if kind != "jpeg" and pictures > 1:
            raise UserError(f"{file}: holds {pictures} pictures; valid: one a file")
        return PictureFile(_decoded(image), kind, pictures)
    except pyvips.Error as error:
        raise UserError(
            f"{file}: cannot be read as JPEG, PNG, TIFF or WebP ({_reason(error)})"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None


def _refuse(file: Path, image: Any) -> None:
    """Raise UserError if by its header a picture is too large or could not be preserved."""
    width, height, kind = image.width, image.height, image.interpretation
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise UserError(
            f"{file}: {width}x{height} pixels; valid: up to {MOST_PIXELS:,} in all and "
            f"{LONGEST_SIDE:,} a side"
        )
    known = CHANNELS.get(kind) == image.bands - image.hasalpha()
    if not known or image.format not in ("uchar", "ushort"):
        raise UserError(
            f"{file}: {image.bands} channels of {image.format} ({kind}); valid: grey, RGB or CMYK, "
            "with or without alpha, of 8 or 16 bits"
        )


def _pictures(file: Path) -> int:
    """Count the pictures in a file by Pillow: libvips does not see those of APNG and MPO."""
    with warnings.catch_warnings(), suppress(*_PILLOWS):
        warnings.simplefilter("ignore")  # of sizes, which are checked before
        with Image.open(file) as image:
            return int(getattr(image, "n_frames", 1))
    return 1


def _decoded(image: Any) -> NDArray[Any]:
    depth = 16 if image.format == "ushort" else 8
    if image.get_typeof("orientation") and image.get("orientation") > 1:
        image = image.copy_memory().autorot()  # autorot reads rows out of order
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, depth=depth)
    elif image.interpretation == "cmyk":
        image = image.colourspace("rgb16" if depth == 16 else "srgb")
    samples: NDArray[Any] = image.numpy()
    return samples


def _reason(error: "pyvips.Error") -> str:
    """Return the first line of the error of libvips' loader."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return lines[0] if lines else "damaged"


def write_picture(file: Path, picture: PictureFile) -> None:
    """Encode a picture in its format without metadata, completely or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    suffix, options = WRITERS[picture.format]
    space = "rgb16" if picture.samples.dtype == np.uint16 else "srgb"
    image = pyvips.Image.new_from_array(picture.samples).copy(interpretation=space)
    try:
        write_file(file, image.write_to_buffer(suffix, **options))
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from None
    except pyvips.Error as error:
        raise UserError(f"{file}: cannot be written ({_reason(error)})") from None
