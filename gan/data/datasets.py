"""Datasets by name: small ones are held in memory, large ones streamed from disk."""

import csv
import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gan.config import TrainConfig
from gan.data import archives
from gan.data.arrays import load_npz
from gan.data.identity import path_of
from gan.data.images import (
    Groups,
    ImageSet,
    decoded_sides,
    image_set,
    pyramid_pixels,
    read_photograph,
    require_size,
)
from gan.data.picture_file import SUFFIXES, Pixels, parts_of, picture_names, read_header
from gan.data.streaming import SHOWN, Files, StreamedImages
from gan.errors import UserError
from gan.plain_text import cut

STREAM_BYTES = 512 * 2**20
"""Size of a folder's pictures, at all scales, above which it is streamed: with torch's own 400 MiB,
memory use stays below 1 GiB. The number is fixed, so that no trial depends on its machine."""
# Reading 100,000 headers takes 9.4 s with one thread and 10.4 s with these, but on a remote disk
# the threads wait at the same time.
HEADER_THREADS = 4
HEADERS_AT_A_TIME = 500

PARTS = dict.fromkeys(("train", "training"), "train") | dict.fromkeys(
    ("test", "testing", "val", "valid", "validation"), "test"
)
"""Names, in lower case, by which folders are meant to be kept apart, and what for."""

Images = ImageSet | StreamedImages


@dataclass(frozen=True)
class Dataset:
    """Training images and held-out images; no file is in both."""

    train: Images
    test: Images
    skipped: tuple[str, ...] = ()
    """One line for each file left out, with the reason; after 20, one with the number of others.

    For streamed images it covers problems visible in a header; training finds the others.
    """

    @cached_property
    def copies(self) -> int:
        """Number of held-out pictures that equal a training picture; 0 of streamed ones."""
        if isinstance(self.train, StreamedImages) or isinstance(self.test, StreamedImages):
            return 0
        trained = {*self.train.fingerprints()}
        return sum(picture in trained for picture in self.test.fingerprints())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels and groups; for streamed ones, of names (and fingerprints)."""
        sha = hashlib.sha256()  # 50,000 pictures of 32 pixels: 0.1 s
        for part in (self.train, self.test):
            for content in part.identity():
                sha.update(content)
        return sha.hexdigest()


def load(config: TrainConfig, root: Path | None = None) -> Dataset:
    """Open the dataset that a config names, once per process.

    Args:
        config: names dataset, path and image size.
        root: base of a relative ``dataset_path``; by default the current directory.

    Raises:
        UserError: the dataset is missing, empty, corrupt or unreadable, has no usable image of that
            size, or has fewer training images than a batch.
    """
    path = path_of(config, root)
    try:
        dataset = _load(config.dataset, path, config.image_size)
    except OSError as error:  # a path that is too long or closed, a disk that fails
        reason = error.strerror or error
        raise UserError(f"dataset_path: {cut(str(path), 200)} cannot be read ({reason})") from None
    if len(dataset.train) < config.batch_size:
        raise UserError(
            f"batch_size: {config.batch_size} is more than the {len(dataset.train)} training "
            f"images of dataset {config.dataset} ({path})"
        )
    return dataset


def loads() -> int:
    """Return how many datasets this process has loaded so far."""
    return _load.cache_info().misses


@cache
def _load(name: str, path: Path, size: int) -> Dataset:
    loaders: dict[str, Callable[[Path, int], Dataset]] = {
        "photos": _load_photos,
        "folder": _load_folder,
        "npz": lambda path, size: Dataset(*load_npz(path, size)),
        "cifar10": lambda path, size: Dataset(*archives.cifar("CIFAR10", path, size)),
        "cifar100": lambda path, size: Dataset(*archives.cifar("CIFAR100", path, size)),
        "stl10": lambda path, size: Dataset(*archives.stl10(path, size)),
        "celeba": lambda path, size: Dataset(*archives.celeba(path, size)),
        "places365": lambda path, size: Dataset(*archives.places365(path, size)),
        "lsun": lambda path, size: Dataset(*archives.lsun(path, size)),
    }
    return loaders[name](path, size)


def _load_photos(path: Path, size: int) -> Dataset:
    """Load the shipped photographs; parts of one original count as one image."""
    with (path / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        groups = {str(path / row["file"]): row["group"] for row in csv.DictReader(file)}
    return _train_and_test(path, size, groups)


def _load_folder(path: Path, size: int) -> Dataset:
    """Load a directory: its train/ and test/ if it has both, else hold out every eighth image."""
    if not path.is_dir():
        raise UserError(f"dataset_path: no directory {path}")
    if parts_of(path) != [path]:
        return _train_and_test(path, size)
    found = _scan(path, size)
    parts = sorted(p.name for p in path.iterdir() if p.name.lower() in PARTS and p.is_dir())
    if len({PARTS[name.lower()] for name in parts}) > 1:
        raise UserError(
            f"dataset_path: {path} has {' and '.join(parts)}, which would be mixed; name the two "
            "train and test, or give one of them"
        )
    if found.bytes > STREAM_BYTES:
        train, test = (
            StreamedImages(found.files.subset(rows), size, found.one_window)
            for rows in _split(len(found.files))
        )
        return Dataset(train, test, _shown(found.bad, path))
    images, bad = _read(found, path, size)
    if len(images) < 2:
        raise UserError(f"dataset_path: {path} has only one usable image; at least two are needed")
    kept, held = (images.subset(torch.tensor(rows)) for rows in _split(len(images)))
    return Dataset(kept, held, _shown(bad, path))


def _split(count: int) -> tuple[list[int], list[int]]:
    """Split indices into those to train on and those to hold out: every eighth, and the last."""
    held = [i for i in range(count) if i % 8 == 7 or i == count - 1]
    return sorted(set(range(count)) - set(held)), held


def _train_and_test(path: Path, size: int, groups: Mapping[str, str] | None = None) -> Dataset:
    """Load a directory's train/ and test/; ``groups`` names the group of each file."""
    parts = [_scan(path / name, size) for name in ("train", "test")]
    if sum(part.bytes for part in parts) > STREAM_BYTES:
        train, test = (StreamedImages(part.files, size, part.one_window) for part in parts)
        return Dataset(train, test, _shown(parts[0].bad + parts[1].bad, path))
    (kept, bad), (held, bad_held) = (_read(part, path, size, groups) for part in parts)
    return Dataset(kept, held, _shown(bad + bad_held, path))


def _shown(bad: Sequence[str], path: Path) -> tuple[str, ...]:
    """Name the first files left out, and count the others."""
    rest = len(bad) - SHOWN
    return (*bad[:SHOWN], *([f"{rest} more files in {path}"] if rest > 0 else []))


@dataclass(frozen=True)
class _Scan:
    """Pictures below a directory, in order of their names, judged by their headers alone."""

    files: Files
    """Pictures that may be usable."""
    pixels: NDArray[np.int64]
    """(N,): pixels of each picture at all its scales."""
    one_window: bool
    bad: list[str]
    """One line for each unusable picture."""

    @property
    def bytes(self) -> int:
        return 3 * int(self.pixels.sum())


def _scan(directory: Path, size: int) -> _Scan:
    """Read the headers of all pictures below a directory."""
    names = list(picture_names(str(directory)))
    if not names:
        kinds = ", ".join(sorted(SUFFIXES))
        raise UserError(f"dataset_path: no images ({kinds}) in {directory}")

    def measure(start: int) -> list[tuple[str, tuple[int, bytes] | str]]:
        some = names[start : start + HEADERS_AT_A_TIME]
        return [
            (name, _measure(os.path.join(directory, name), size))  # noqa: PTH118
            for name in some
        ]

    good: list[str] = []
    counts, fingerprints = array("q"), bytearray()
    bad: list[str] = []
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for some in pool.map(measure, range(0, len(names), HEADERS_AT_A_TIME)):
            for name, found in some:
                if isinstance(found, str):
                    bad.append(found)
                    continue
                good.append(name)
                counts.append(found[0])
                fingerprints += found[1]
    if not good:
        raise UserError(f"dataset_path: no usable image in {directory}; the first: {bad[0]}")
    pixels = np.array(counts)
    one_window = bool((pixels == size * size).all())
    return _Scan(Files.of(str(directory), good, bytes(fingerprints)), pixels, one_window, bad)


def _measure(file: str, size: int) -> tuple[int, bytes] | str:
    """Count a picture's pixels at all scales from its header, or return why it is unusable.

    Beside the count is the file's fingerprint.
    """
    try:
        sides, fingerprint = read_header(file)
        require_size(sides, file, size)
    except UserError as error:
        return str(error)
    return pyramid_pixels(decoded_sides(sides, size), size), fingerprint


def _read(
    found: _Scan, path: Path, size: int, groups: Mapping[str, str] | None = None
) -> tuple[ImageSet, list[str]]:
    """Decode every picture of a scan; also return a line for each one left out."""
    bad = list(found.bad)
    kept = []

    def pictures() -> Iterator[Pixels]:
        for name in map(found.files.name, range(len(found.files))):
            try:
                picture = read_photograph(Path(name), size)
            except UserError as error:
                bad.append(str(error))
            else:
                kept.append(name)
                yield picture

    images = image_set(pictures(), size, int(found.pixels.sum()))
    if not len(images):
        raise UserError(f"dataset_path: no usable image in {path}; the first: {bad[0]}")
    if groups is not None:
        images = replace(images, groups=Groups.of([groups[name] for name in kept]))
    return images, bad
