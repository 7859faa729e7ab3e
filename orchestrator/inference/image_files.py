"""Picture files that ``colorize`` can read and write again: JPEG, PNG, TIFF and WebP."""

import os
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
from gan.data.picture_file import PILLOW_ERRORS, PictureFile, first_reason
from gan.errors import UserError

LOSSLESS_WEBP = "lossless webp"
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": (".jpg", {"Q": 95, "subsample_mode": "off"}),
    # 12 megapixels take 1.6 s; at the usual levels 5 to 8 s, for files an eighth smaller.
    "png": (".png", {"compression": 1}),
    "tiff": (".tif", {"compression": "none"}),
    # 3.7 s instead of 7.8 s, for a file of the same size.
    "webp": (".webp", {"Q": 95, "effort": 0, "smart_subsample": True}),
    LOSSLESS_WEBP: (".webp", {"lossless": True, "effort": 0}),
}
"""Suffix of libvips' writer and its options, by format."""


def read_picture(file: Path) -> PictureFile:
    """Decode the first picture in a file, like ``gan.data.picture_file.read_picture``.

    Raises:
        UserError: the picture cannot be read whole, is too large, is of a kind that could not be
            written again, or is one of several in a file that is no JPEG.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata
        picture = picture_file.read_picture(file)
    if picture.format not in WRITERS:
        kind = "AVIF" if picture.format == "heif" else picture.format.upper()
        raise UserError(
            f"{file}: {kind} is read, but not written; convert it to JPEG, PNG, TIFF or WebP"
        )
    if picture.format != "jpeg" and (pictures := count_pictures(file)) > 1:
        raise UserError(f"{file}: holds {pictures} pictures; valid: one a file")
    if picture.format == "webp" and _is_lossless(file):
        return replace(picture, format=LOSSLESS_WEBP)
    return picture


def _is_lossless(webp: Path) -> bool:
    """Whether the picture in a WebP file is in a chunk ``VP8L`` (RFC 9649)."""
    with webp.open("rb") as file:
        file.seek(12)  # RIFF, the size, WEBP
        while len(head := file.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4] == b"VP8L"
            size = int.from_bytes(head[4:], "little")
            file.seek(size + size % 2, os.SEEK_CUR)
    return False


def count_pictures(file: Path) -> int:
    """Count the pictures in a file; a JPEG may have a second view, a gain map or a preview.

    Pillow sees those of APNG and MPO, which libvips does not; libvips those of a TIFF of 16 bits.
    """
    count = 1
    with warnings.catch_warnings(), suppress(*PILLOW_ERRORS):
        warnings.simplefilter("ignore")  # of Pillow, about metadata
        with Image.open(file) as image:
            count = int(getattr(image, "n_frames", 1))
    with suppress(pyvips.Error):
        image = pyvips.Image.new_from_source(pyvips.Source.new_from_file(os.fsencode(file)), "")
        if image.get_typeof("n-pages"):
            count = max(count, image.get("n-pages"))
    return count


def write_picture(file: Path, picture: PictureFile) -> None:
    """Encode a picture in its format without metadata, and write it like ``write_content``.

    Raises:
        UserError: the file cannot be written.
    """
    suffix, options = WRITERS[picture.format]
    space = "rgb16" if picture.samples.dtype == np.uint16 else "srgb"
    image = pyvips.Image.new_from_array(picture.samples).copy(interpretation=space)
    try:
        content = image.write_to_buffer(suffix, **options)
    except pyvips.Error as error:
        raise UserError(f"{file}: cannot be written ({first_reason(error)})") from None
    write_content(file, content)


def write_content(file: Path, content: bytes) -> None:
    """Write a file completely or not at all; one that is replaced keeps its permissions.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        mode = file.stat().st_mode & 0o7777 if file.exists() else None
        write_file(file, content, mode=mode)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from None
