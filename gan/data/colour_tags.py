"""Colour spaces that a file names in other ways than by an ICC profile, which libvips ignores.

Precedence of a PNG's chunks: PNG specification, third edition, 4.3: cICP, iCCP, sRGB, then gAMA and
cHRM.
"""

import re
import struct
from typing import BinaryIO

PNG = b"\x89PNG\r\n\x1a\n"
SRGB_GAMMA, GAMMA_TOLERANCE = 45_455, 2_273
"""PNG's gamma of sRGB in units of 1e-5, and the 5 % by which libpng lets it differ."""
SRGB_POINTS = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
"""x and y of sRGB's white, red, green and blue in units of 1e-5."""
POINT_TOLERANCE = 1_000
GREY = (b"\0", b"\4")
"""PNG's types of colour without and with alpha."""
# H.273: 1 is BT.709's, whose primaries are sRGB's; 6 is 1's curve; 13 is sRGB's.
UNSPECIFIED = 2
PRIMARIES = {1, UNSPECIFIED}
CURVES = {1, UNSPECIFIED, 6, 13}
HEAD = 65_536
"""Bytes of an AVIF file that are searched, from its start."""
UNUSABLE_PROFILE = "its colour profile cannot be used"


def complaint_about(file: BinaryIO, *, profile: bool) -> str:
    """Return why a picture would be read in wrong colours, or an empty string.

    Args:
        file: the whole file.
        profile: whether libvips finds an ICC profile in it.
    """
    file.seek(0)
    head = file.read(12)
    if head.startswith(PNG):
        return _of_png(_chunks(file), profile)
    return _of_avif(file.read(HEAD)) if head[4:8] == b"ftyp" else ""


def overrides_profile(file: BinaryIO) -> bool:
    """Whether a file's ICC profile goes for nothing: a PNG's cICP chunk names the colour space."""
    file.seek(0)
    return file.read(len(PNG)) == PNG and _names_space(_chunks(file).get(b"cICP", b""))


def _chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """Read the chunks before a PNG's pixels, as far as they are short."""
    chunks: dict[bytes, bytes] = {}
    at = len(PNG)
    while True:
        file.seek(at)
        header = file.read(8)
        if len(header) < 8 or header[4:] == b"IDAT":
            return chunks
        length = int.from_bytes(header[:4])
        chunks[header[4:]] = file.read(min(length, 64))
        at += 12 + length


def _of_png(chunks: dict[bytes, bytes], profile: bool) -> str:
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        primaries, curve, matrix, full = cicp
        full_rgb = full == 1 and matrix == 0
        complaint = _of_code_points("cICP chunk", primaries, curve, full_rgb=full_rgb)
        if complaint or _names_space(cicp):
            return complaint
    grey = chunks.get(b"IHDR", b"")[9:10] in GREY
    if b"iCCP" in chunks and grey:  # one for RGB, often; no grey changes
        return ""
    if profile or b"sRGB" in chunks:
        return ""
    if b"iCCP" in chunks:  # libpng has dropped it
        return UNUSABLE_PROFILE
    if len(gamma := chunks.get(b"gAMA", b"")) == 4:
        value = int.from_bytes(gamma)
        if abs(value - SRGB_GAMMA) > GAMMA_TOLERANCE:
            return _shown("gAMA chunk", f"gamma {value / 1e5:g}")
    if len(points := chunks.get(b"cHRM", b"")) == 32:
        pairs = zip(struct.unpack(">8I", points), SRGB_POINTS, strict=True)
        if any(abs(value - srgb) > POINT_TOLERANCE for value, srgb in pairs):
            return _shown("cHRM chunk", "other primary colours than sRGB's")
    return ""


def _names_space(cicp: bytes) -> bool:
    return len(cicp) == 4 and UNSPECIFIED not in cicp[:2]


def _of_avif(head: bytes) -> str:
    if b"colrprof" in head or b"colrrICC" in head:
        return ""
    for code_points in re.findall(rb"colrnclx(.{4})", head, re.DOTALL):
        if complaint := _of_code_points("nclx box", *struct.unpack(">HH", code_points)):
            return complaint
    return ""


def _of_code_points(tag: str, primaries: int, curve: int, *, full_rgb: bool = True) -> str:
    if primaries in PRIMARIES and curve in CURVES and full_rgb:
        return ""
    kind = "" if full_rgb else ", not RGB of full range"
    return _shown(tag, f"primaries {primaries} and transfer {curve} of H.273{kind}")


def _shown(tag: str, space: str) -> str:
    return f"its {tag} says {space}; valid: sRGB, or an ICC profile"
