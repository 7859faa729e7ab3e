"""Pictures that do not fit in memory, decoded on demand by a few threads."""

import logging
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gan.data.images import as_rgb, at_level, for_training, level_sides
from gan.data.picture_file import Pixels, UnusablePicture, read_picture
from gan.data.regular_file import FINGERPRINT_BYTES
from gan.errors import UserError

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
SHOWN = 20
"""Number of bad pictures that are named; any others are only counted."""


class Source(Protocol):
    """A numbered collection of pictures."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Pixels:
        """Decode a picture: (H, W, 3) uint8, sRGB. Any thread may call this.

        Raises:
            UnusablePicture: the content is bad.
            UserError: the system failed.
        """
        ...

    def name(self, index: int) -> str:
        """Name a picture for messages."""
        ...

    def identity(self) -> bytes:
        """Return bytes that identify the collection, without reading the pictures."""
        ...


@dataclass(frozen=True)
class Strings:
    """Many short byte strings in little memory: 1.8 million file names take 60 MB, not 145."""

    joined: bytes
    ends: "array[int]"

    @classmethod
    def of(cls, strings: Iterable[bytes]) -> "Strings":
        """Pack strings."""
        joined, ends = bytearray(), array("q")
        for string in strings:
            joined += string
            ends.append(len(joined))
        return cls(bytes(joined), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def identity(self) -> bytes:
        """Return bytes that identify these strings."""
        return self.ends.tobytes() + self.joined

    def __getitem__(self, index: int) -> bytes:
        """Unpack a string; the index counts from 0."""
        return self.joined[self.ends[index - 1] if index else 0 : self.ends[index]]


@dataclass(frozen=True)
class Files:
    """Picture files below a directory."""

    directory: str
    names: Strings
    """Paths relative to the directory."""
    fingerprints: bytes = b""
    """Those of all files if they are the user's own, which others may replace; else nothing."""

    @classmethod
    def of(cls, directory: str, names: Iterable[str], fingerprints: bytes = b"") -> "Files":
        """List files by names relative to a directory."""
        return cls(directory, Strings.of(map(os.fsencode, names)), fingerprints)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Pixels:
        """Decode a file."""
        return read_picture(Path(self.name(index))).rgb()

    def name(self, index: int) -> str:
        """Return the path of a file."""
        return os.path.join(self.directory, os.fsdecode(self.names[index]))  # noqa: PTH118

    def identity(self) -> bytes:
        """Return the joined names, relative to the directory, and fingerprints."""
        return self.names.identity() + self.fingerprints

    def subset(self, rows: Sequence[int]) -> "Files":
        """Choose files by index."""
        names = Strings.of(self.names[row] for row in rows)
        starts = (row * FINGERPRINT_BYTES for row in rows)
        prints = b"".join(self.fingerprints[at : at + FINGERPRINT_BYTES] for at in starts)
        return Files(self.directory, names, prints)


@dataclass(frozen=True)
class StreamedImages:
    """Pictures that are decoded anew for every crop; crops equal an ``ImageSet``'s bit for bit.

    The next usable picture replaces one that turns out to be damaged, grayscale or too small.
    """

    source: Source
    image_size: int
    """Short side of a picture at its smallest scale, pixels."""
    one_window: bool = False
    """Whether each image has only one window: all are squares of exactly the right size."""
    device: torch.device = CPU
    """Device of the crops."""
    bad: set[int] = field(default_factory=set, compare=False)
    """Pictures found unusable so far, remembered so as not to decode them again."""

    def __len__(self) -> int:
        return len(self.source)

    def crops(self, image: Tensor, scale: Tensor, place: Tensor, flip: Tensor, size: int) -> Tensor:
        """Cut square windows, like ``ImageSet.crops``.

        Raises:
            UserError: a picture cannot be read, or none of them is usable.
        """
        return as_rgb(self.windows(image, scale, place, flip, size).to(self.device))

    def windows(
        self, image: Tensor, scale: Tensor, place: Tensor, flip: Tensor, size: int
    ) -> Tensor:
        """Cut the windows of ``crops``, with as many threads as torch uses.

        Returns:
            (B, size, size, 3) uint8, on the CPU.
        """
        windows = np.empty((len(image), size, size, 3), dtype=np.uint8)
        scales, places = scale.numpy(), place.numpy()

        def cut(row: int) -> None:
            pixels = self._picture(int(image[row]))
            # float32 like ``ImageSet``'s arithmetic: in float64 some windows would be a pixel off.
            sides = level_sides(min(pixels.shape[:2]), self.image_size)
            level = at_level(pixels, sides[int(scales[row] * np.float32(len(sides)))])
            height, width = level.shape[:2]
            top = int(places[row, 0] * np.float32(height - size + 1))
            left = int(places[row, 1] * np.float32(width - size + 1))
            window = level[top : top + size, left : left + size]
            windows[row] = window[:, ::-1] if flip[row] else window

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for _ in pool.map(cut, range(len(image))):
                pass
        return torch.from_numpy(windows)

    def _picture(self, index: int) -> Pixels:
        """Decode a picture, or the next usable one."""
        count = len(self)
        for candidate in range(index, index + count):
            n = candidate % count
            if n in self.bad:
                continue
            try:
                return for_training(self.source.read(n), self.source.name(n), self.image_size)
            except UnusablePicture as error:
                if len(self.bad) < SHOWN:
                    log.warning("using the next picture instead: %s", error)
                self.bad.add(n)
        name = self.source.name(0)
        raise UserError(f"dataset_path: none of {count} images is usable, for example {name}")

    def identity(self) -> Iterator[bytes]:
        """Yield bytes that distinguish these pictures from others, as far as names do."""
        yield self.source.identity()

    def to(self, device: torch.device) -> "StreamedImages":
        """Return the same pictures with crops on a device."""
        return replace(self, device=device)
