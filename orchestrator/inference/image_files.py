"""Picture files: JPEG, PNG, TIFF and WebP of 8 or 16 bits, upright and in sRGB.

By libvips, since Pillow reads 16-bit colour as 8 bits.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Before the import, which reads it: what is wrong with a file is told in its one line.
os.environ.setdefault("VIPS_WARNING", "0")

import pyvips
from numpy.typing import NDArray

from gan.checkpoint import write_file
from gan.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
MOST_PIXELS = 178_956_970
"""A larger picture is refused by its header; where Pillow sees a decompression bomb."""
LONGEST_SIDE = 100_000
CHANNELS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "cmyk": 4}
"""What is read, by libvips' name: how many channels it has beside alpha."""
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": (".jpg", {"Q": 95, "subsample_mode": "off"}),
    # 12 megapixels take 1.6 s, and 5 to 8 s for an eighth less at the usual strengths.
    "png": (".png", {"compression": 1}),
    "tiff": (".tif", {"compression": "none"}),
    # 3.7 s instead of 7.8, for a file of the same size.
    "webp": (".webp", {"Q": 95, "effort": 0, "smart_subsample": True}),
}
"""By format: the suffix by which libvips knows its writer, and the options."""

# The loaders of other formats are not made for files from anywhere.
pyvips.operation_block_set("VipsForeignLoad", True)
for _name in ("Jpeg", "Png", "Tiff", "Webp"):
    pyvips.operation_block_set(f"VipsForeignLoad{_name}", False)
pyvips.cache_set_max(0)


@dataclass(frozen=True)
class PictureFile:
    """What a file holds."""

    samples: NDArray[Any]
    """(H, W) or (H, W, C), uint8 or uint16: grey, grey and alpha, RGB, or RGB and alpha."""
    format: str
    """jpeg, png, tiff or webp, whatever the file's name ends in."""


def read_picture(file: Path) -> PictureFile:
    """Decode a picture, turn it upright as its EXIF says, and bring it to sRGB by its profile.

    Raises:
        UserError: it cannot be read whole, is too large, or of a kind that is not read; one line.
    """
    try:
        if not file.stat().st_size:
            raise UserError(f"{file}: is empty")
        with file.open("rb"):
            pass  # libvips would not say why it cannot
        source = pyvips.Source.new_from_file(str(file))
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        _refuse(file, image)
        return PictureFile(_decoded(image), image.get("vips-loader").partition("load")[0])
    except pyvips.Error as error:
        raise UserError(
            f"{file}: cannot be read as JPEG, PNG, TIFF or WebP ({_reason(error)})"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None


def _refuse(file: Path, image: Any) -> None:
    """Refuse, by its header, what is too large or would not come out as it went in.

    Raises:
        UserError: it is so.
    """
    width, height, kind = image.width, image.height, image.interpretation
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise UserError(
            f"{file}: {width}x{height} pixels; valid: up to {MOST_PIXELS:,} in all and "
            f"{LONGEST_SIDE:,} a side"
        )
    if image.get_typeof("n-pages") and (pages := image.get("n-pages")) > 1:
        raise UserError(f"{file}: holds {pages} pictures; valid: one a file")
    known = CHANNELS.get(kind) == image.bands - image.hasalpha()
    if not known or image.format not in ("uchar", "ushort"):
        raise UserError(
            f"{file}: {image.bands} channels of {image.format} ({kind}); valid: grey, RGB or CMYK, "
            "with or without alpha, of 8 or 16 bits"
        )


def _decoded(image: Any) -> NDArray[Any]:
    depth = 16 if image.format == "ushort" else 8
    if image.get_typeof("orientation") and image.get("orientation") > 1:
        image = image.copy_memory().autorot()  # rows are read in another order
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, depth=depth)
    elif image.interpretation == "cmyk":
        image = image.colourspace("rgb16" if depth == 16 else "srgb")
    samples: NDArray[Any] = image.numpy()
    return samples


def _reason(error: "pyvips.Error") -> str:
    """What libvips' loader said first."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return lines[0] if lines else "damaged"


def write_picture(file: Path, picture: PictureFile) -> None:
    """Encode a picture in its format, without metadata; all of it or nothing.

    Raises:
        UserError: it cannot be written; one line.
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
