"""Picture files that ``colorize`` can read and write again: JPEG, PNG, TIFF and WebP."""

import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from gan.checkpoint import write_file
from gan.data import picture_file
from gan.data.picture_file import PictureFile, first_reason
from gan.errors import UserError

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


def read_picture(file: Path) -> PictureFile:
    """Decode a picture, like ``gan.data.picture_file.read_picture``, and count those in the file.

    A JPEG may be followed by others, such as a second view, a gain map or a preview.

    Raises:
        UserError: the picture cannot be read whole, is too large, is of a kind that could not be
            written again, or is one of several in a file that is no JPEG.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about sizes, which are checked
        picture = picture_file.read_picture(file)
        pictures = max(picture.pictures, _pictures(file))
    if picture.format not in WRITERS:
        kind = "AVIF" if picture.format == "heif" else picture.format.upper()
        raise UserError(
            f"{file}: {kind} is read, but not written; convert it to JPEG, PNG, TIFF or WebP"
        )
    if picture.format != "jpeg" and pictures > 1:
        raise UserError(f"{file}: holds {pictures} pictures; valid: one a file")
    return replace(picture, pictures=pictures)


def _pictures(file: Path) -> int:
    """Count the pictures in a file by Pillow: libvips does not see those of APNG and MPO."""
    with suppress(*_PILLOWS), Image.open(file) as image:
        return int(getattr(image, "n_frames", 1))
    return 1


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
        raise UserError(f"{file}: cannot be written ({first_reason(error)})") from None
