"""Files of many pictures, read on demand: STL-10's planes and LSUN's database."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan.data.picture_file import Pixels, UnusablePicture, decode_picture
from gan.data.streaming import Strings
from gan.errors import UserError

if TYPE_CHECKING:
    import lmdb


@dataclass(frozen=True)
class Planes:
    """STL-10's files: 96x96 pictures one after another, each as three planes, column by column."""

    SIDE = 96

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    """Number of pictures in each file."""

    @classmethod
    def of(cls, files: tuple[Path, ...]) -> "Planes":
        """Count the pictures in files by their sizes."""
        return cls(files, tuple(f.stat().st_size // (3 * cls.SIDE**2) for f in files))

    def __len__(self) -> int:
        return sum(self.counts)

    def read(self, index: int) -> Pixels:
        """Read a picture, without a memory map, in which every picture read would stay resident."""
        file, n = self._place(index)
        size = 3 * self.SIDE**2
        try:
            with file.open("rb") as opened:
                opened.seek(n * size)
                planes = np.frombuffer(opened.read(size), dtype=np.uint8)
        except OSError as error:
            raise UserError(f"{self.name(index)}: cannot be read ({error.strerror})") from None
        if len(planes) < size:
            raise UnusablePicture(f"{self.name(index)}: is cut off")
        return planes.reshape(3, self.SIDE, self.SIDE).transpose(2, 1, 0).copy()

    def name(self, index: int) -> str:
        """Name a picture by its file and its number in the file."""
        file, n = self._place(index)
        return f"{file}: picture {n}"

    def identity(self) -> bytes:
        """Return the names of the files, with the number of pictures in each."""
        return repr([(f.name, n) for f, n in zip(self.files, self.counts, strict=True)]).encode()

    def _place(self, index: int) -> tuple[Path, int]:
        for file, count in zip(self.files, self.counts, strict=True):
            if index < count:
                return file, index
            index -= count
        raise IndexError(index)


@dataclass(frozen=True)
class Records:
    """LSUN's database: encoded pictures by key."""

    directory: Path
    keys: Strings

    @classmethod
    def of(cls, directory: Path) -> "Records":
        """List the keys of a database.

        Raises:
            UserError: the database is damaged or empty.
        """
        import lmdb

        try:
            environment = _environment(directory)
            # Reading beyond the end of a truncated file would crash the process.
            whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if (directory / "data.mdb").stat().st_size < whole:
                raise UserError(f"dataset_path: {directory}: data.mdb is truncated")
            with environment.begin() as reading:
                keys = Strings.of(reading.cursor().iternext(values=False))
        except lmdb.Error as error:
            raise UserError(f"dataset_path: {directory} is no LSUN database ({error})") from None
        if not keys:
            raise UserError(f"dataset_path: {directory} is empty")
        return cls(directory, keys)

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, index: int) -> Pixels:
        """Decode a picture."""
        import lmdb

        try:
            with _environment(self.directory).begin() as reading:
                encoded = reading.get(self.keys[index]) or b""
        except lmdb.Error as error:
            raise UserError(f"{self.name(index)}: cannot be read ({error})") from None
        return decode_picture(encoded, self.name(index)).rgb()

    def name(self, index: int) -> str:
        """Name a picture by its database and its key."""
        return f"{self.directory}: {self.keys[index].decode(errors='replace')}"

    def identity(self) -> bytes:
        """Return the joined keys."""
        return self.keys.identity()


@cache
def _environment(directory: Path) -> "lmdb.Environment":
    # A process may open a database only once.
    import lmdb

    return lmdb.open(os.fsencode(directory), readonly=True, lock=False, readahead=False)
