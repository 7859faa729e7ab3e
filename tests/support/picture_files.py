"""What tests of picture files share."""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image, ImageCms

from gan.data.picture_file import Pixels
from tests.support.streamed_images import noise

# 64x48 pixels, encoded by libheif.
HEIC = base64.b64decode(
    b"AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    b"AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAEMAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    b"dmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    b"GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAA"
    b"AwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAAB"
    b"AAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAEtt"
    b"ZGF0AAAAPygBrxmA72If65uz5mIl38krhrTEMwEBdfaQqtmFRKGOd4lLvbHOBy261ztebWNpvubwcwqAcOnT/UC0wBtU"
    b"wA=="
)


def scene(side: int = 96) -> Pixels:
    """Colours that differ from left to right and from top to bottom, none at sRGB's edge."""
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    return np.stack([60 + 140 * x, 70 + 90 * y, 180 - 120 * x], -1).astype(np.uint8)


def in_profile(profile: str, suffix: str, **options: Any) -> bytes:
    """The scene, converted from sRGB to one of libvips' profiles, which is embedded."""
    image = pyvips.Image.new_from_array(scene()).copy(interpretation="srgb")
    converted = image.icc_transform(profile, input_profile="srgb")
    content: bytes = converted.write_to_buffer(suffix, **options)
    return content


def encoded(picture: Pixels, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def with_chunk(png: bytes, name: bytes, *numbers: int, kind: str = "I") -> bytes:
    """A PNG with another chunk after its header."""
    data = struct.pack(f">{len(numbers)}{kind}", *numbers)
    chunk = struct.pack(">I", len(data)) + name + data
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(name + data)) + png[33:]


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write_kinds(folder: Path) -> None:
    """A folder of pictures in all kinds of colour, three of which are not read."""
    contents = {
        "p3.jpg": in_profile("p3", ".jpg", Q=98, subsample_mode="off"),
        "p3.png": in_profile("p3", ".png"),
        "p3.tif": in_profile("p3", ".tif"),
        "p3.webp": in_profile("p3", ".webp", lossless=True),
        "p3.avif": in_profile("p3", ".avif", compression="av1", lossless=True),
        "cmyk.jpg": in_profile("cmyk", ".jpg", Q=98),
        "plain.jfif": encoded(scene(), "JPEG", quality=95),
        "plain.gif": encoded(scene(), "GIF"),
        "plain.bmp": encoded(scene(), "BMP"),
        "plain.ppm": encoded(scene(), "PPM"),
        "alpha.png": encoded(np.dstack([scene(), scene()[..., 0]]), "PNG"),
        "alpha.webp": encoded(np.dstack([scene(), scene()[..., 0]]), "WEBP", lossless=True),
        "linear.png": with_chunk(encoded(scene(), "PNG"), b"gAMA", 100_000),
        "camera.heic": HEIC,
        "map.jp2": encoded(scene(), "JPEG2000"),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for n in range(6):
        noise(48, 64, seed=n).save(folder / f"noise{n}.png")
