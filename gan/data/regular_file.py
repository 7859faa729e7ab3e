"""Regular files: opened without waiting for a pipe or a device, and their fingerprints."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from gan.errors import UserError

FINGERPRINT_BYTES = 8


@contextmanager
def regular_file(file: str) -> Iterator[BinaryIO]:
    """Open a file for reading; links are followed.

    Raises:
        UserError: the file cannot be read (missing, no permission, failing disk), is a pipe, a
            device or a socket, which might never end, or a link to a folder.
    """
    try:
        mode = os.stat(file).st_mode  # noqa: PTH116
        if stat.S_ISDIR(mode) and os.path.islink(file):  # noqa: PTH114
            raise UserError(f"{file}: is a link to a folder, which is not followed")
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # open() refuses a directory
            raise UserError(f"{file}: cannot be read (it is a pipe, a device or a socket)")
        with open(file, "rb") as opened:  # noqa: PTH123
            yield opened
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None


def fingerprint(file: BinaryIO) -> bytes:
    """Hash a file's size and bytes of its middle: files without compression have equal sizes."""
    size = os.fstat(file.fileno()).st_size
    middle = os.pread(file.fileno(), 64, size // 2)
    return hashlib.blake2b(b"%d %b" % (size, middle), digest_size=FINGERPRINT_BYTES).digest()
