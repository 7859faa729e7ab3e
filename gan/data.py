"""Datasets by name, held on the device as uint8; batches are a function of (seed, step)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from gan.config import TrainConfig
from gan.errors import UserError

PHOTOS = Path(__file__).parent / "photos"
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Short sides a photograph is stored at, in multiples of the image size: crops of varied scale
# are then plain windows, without resampling in the training loop.
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
# A colour cast that no eye sees and JPEG adds by itself, of 255.
GREY_TOLERANCE = 4
"""Largest |R - G|, |G - B|, |R - B| of a picture that counts as grayscale."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageSet:
    """Pictures of any size, each at several scales, as one flat run of pixels."""

    pixels: Tensor
    """(P, 3) uint8, sRGB."""
    offsets: Tensor
    """(N, K): where the pixels of image n at scale k start."""
    heights: Tensor
    """(N, K), pixels."""
    widths: Tensor
    """(N, K), pixels."""
    scales: Tensor
    """(N,): how many of the K scales the image has."""

    def __len__(self) -> int:
        """Count the images."""
        return len(self.scales)

    def crops(self, image: Tensor, scale: Tensor, place: Tensor, flip: Tensor, size: int) -> Tensor:
        """Cut square windows.

        Args:
            image: (B,) indices, on any device, like the rest.
            scale: (B,) in [0, 1), spread over the scales that the image has.
            place: (B, 2) in [0, 1), of the top and the left edge among the possible ones.
            flip: (B,) booleans, left to right.
            size: side of the window in pixels.

        Returns:
            (B, 3, size, size) float32 in [0, 1].
        """
        device = self.pixels.device
        image, scale, place, flip = (x.to(device) for x in (image, scale, place, flip))
        level = (scale * self.scales[image]).long()
        width = self.widths[image, level]
        top = (place[:, 0] * (self.heights[image, level] - size + 1)).long()
        left = (place[:, 1] * (width - size + 1)).long()
        along = torch.arange(size, device=device)
        rows = top[:, None] + along
        columns = torch.where(flip[:, None], left[:, None] + along.flip(0), left[:, None] + along)
        index = self.offsets[image, level][:, None, None] + (
            rows[:, :, None] * width[:, None, None] + columns[:, None, :]
        )
        return self.pixels[index].permute(0, 3, 1, 2).float() / 255

    def to(self, device: torch.device) -> "ImageSet":
        """Copy to a device."""
        return ImageSet(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Dataset:
    """Training images and held-out images; no picture is in both."""

    train: ImageSet
    test: ImageSet
    skipped: tuple[str, ...] = ()
    """One line for each file that was left out, with the reason."""


def training_batch(images: ImageSet, config: TrainConfig, step: int) -> Tensor:
    """Batch number ``step``: the same for the same seed and step, whatever came before.

    Each epoch is a permutation of the images; a batch may span two. Where to cut and whether
    to flip is drawn anew for each.

    Returns:
        (batch_size, 3, image_size, image_size) float32 RGB in [0, 1], on the images' device.
    """
    count, size = len(images), config.batch_size
    position = torch.arange(step * size, (step + 1) * size)
    epochs = (position // count).tolist()
    orders = {epoch: _epoch_order(config.seed, epoch, count) for epoch in set(epochs)}
    order = torch.stack([orders[e][p] for e, p in zip(epochs, position % count, strict=True)])
    random = torch.Generator().manual_seed(mix(config.seed, 1, step))
    draws = torch.rand(size, 4, generator=random)
    flip = (draws[:, 3] < 0.5) if config.augment else torch.zeros(size, dtype=torch.bool)
    return images.crops(order, draws[:, 0], draws[:, 1:3], flip, config.image_size)


def held_out(images: ImageSet, config: TrainConfig) -> Tensor:
    """Fixed crops of the held-out images, the same for every trial of the same image size.

    First the middle of every picture at its smallest scale, then windows at random scales.

    Returns:
        (n, 3, image_size, image_size) float32 RGB in [0, 1], n at most ``eval_images``.
    """
    exact = bool((images.heights[:, 0] == images.widths[:, 0]).all() and images.scales.max() == 1)
    count = min(config.eval_images, len(images)) if exact else config.eval_images
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    first = min(count, len(images))
    draws[:first, 0] = 0
    draws[:first, 1:] = 0.5
    order = torch.arange(count) % len(images)
    flip = torch.zeros(count, dtype=torch.bool)
    return images.crops(order, draws[:, 0], draws[:, 1:], flip, config.image_size)


@lru_cache(maxsize=8)
def _epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(mix(seed, 0, epoch)))


def mix(seed: int, stream: int, index: int) -> int:
    """Derive a 63-bit seed for draw ``index`` of a random stream; neighbours are unrelated."""
    state: int = np.random.SeedSequence([seed, stream, index]).generate_state(1, np.uint64)[0] >> 1
    return int(state)


def load(config: TrainConfig, root: Path | None = None) -> Dataset:
    """Read the dataset that a config names, once per process.

    Args:
        config: names dataset, path and image size.
        root: directory that a relative ``dataset_path`` starts from; default the current one.

    Raises:
        UserError: it is missing, empty, corrupt, or has no usable image of that size.
    """
    if config.dataset_path is not None:
        path = (root or Path.cwd()) / Path(config.dataset_path).expanduser()
    else:
        path = PHOTOS if config.dataset == "photos" else Path.home() / ".cache" / "colorsweep"
    return _load(config.dataset, path, config.image_size)


@cache
def _load(name: str, path: Path, size: int) -> Dataset:
    loaders: dict[str, Callable[[Path, int], Dataset]] = {
        "photos": _train_and_test,
        "folder": _load_folder,
        "npz": _load_npz,
        "cifar10": lambda path, size: _load_cifar("CIFAR10", path, size),
        "cifar100": lambda path, size: _load_cifar("CIFAR100", path, size),
    }
    return loaders[name](path, size)


def _load_folder(path: Path, size: int) -> Dataset:
    """Any directory: its train/ and test/ where it has both, else every eighth is held out."""
    if not path.is_dir():
        raise UserError(f"dataset_path: no directory {path}")
    if (path / "train").is_dir() and (path / "test").is_dir():
        return _train_and_test(path, size)
    images, skipped = _read_directory(path, size)
    if len(images) < 2:
        raise UserError(f"dataset_path: {path} has one usable image; one to hold out is needed too")
    return Dataset(
        _image_set([x for i, x in enumerate(images) if i % 8 != 7 and i != len(images) - 1], size),
        _image_set([x for i, x in enumerate(images) if i % 8 == 7 or i == len(images) - 1], size),
        skipped,
    )


def _train_and_test(path: Path, size: int) -> Dataset:
    (train, bad_train), (test, bad_test) = (
        _read_directory(path / part, size) for part in ("train", "test")
    )
    return Dataset(_image_set(train, size), _image_set(test, size), bad_train + bad_test)


def _read_directory(path: Path, size: int) -> tuple[list[Pixels], tuple[str, ...]]:
    """Every usable picture below a directory in the order of its names, reduced to need."""
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        kinds = ", ".join(sorted(SUFFIXES))
        raise UserError(f"dataset_path: no images ({kinds}) in {path}")
    images, skipped = [], []
    for file in files:
        try:
            images.append(read_photograph(file, size))
        except UserError as error:
            skipped.append(str(error))
    if not images:
        raise UserError(f"dataset_path: no usable image in {path}; the first: {skipped[0]}")
    return images, tuple(skipped)


def read_photograph(file: Path, size: int) -> Pixels:
    """Decode a colour picture, upright, reduced to the largest scale that training cuts from.

    Raises:
        UserError: it cannot be decoded, is grayscale, or smaller than ``size``.
    """
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as an image ({error})") from None
    short = min(image.size)
    if short < size:
        raise UserError(f"{file}: {image.width}x{image.height} is smaller than image_size {size}")
    pixels = np.asarray(_with_short_side(image, min(short, int(SCALES[-1] * size))))
    if int((pixels.max(axis=2) - pixels.min(axis=2)).max()) <= GREY_TOLERANCE:
        raise UserError(f"{file}: is grayscale; training needs colour")
    return pixels


def _with_short_side(image: Image.Image, side: int) -> Image.Image:
    ratio = side / min(image.size)
    size = (round(image.width * ratio), round(image.height * ratio))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _load_npz(path: Path, size: int) -> Dataset:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            parts = [archive[name] for name in ("train", "test")]
    except Exception as error:  # a damaged archive raises whatever its decoders do
        raise UserError(
            f"dataset_path: {path} is not an .npz archive with arrays train and test ({error})"
        ) from None
    for name, part in zip(("train", "test"), parts, strict=True):
        shape = part.shape
        if part.dtype != np.uint8 or part.ndim != 4 or shape[3] != 3 or not len(part):
            raise UserError(
                f"dataset_path: {path}: {name} is {part.dtype} {shape}, not uint8 (N, H, W, 3)"
            )
        if min(shape[1:3]) < size:
            raise UserError(
                f"dataset_path: {path}: {name} has images of {shape[1]}x{shape[2]}, smaller than "
                f"image_size {size}"
            )
    return Dataset(_image_set(parts[0], size), _image_set(parts[1], size))


def _load_cifar(name: str, path: Path, size: int) -> Dataset:
    if size != 32:
        raise UserError(f"image_size: {name} has images of 32 pixels, not {size}")
    from torchvision import datasets

    dataset = getattr(datasets, name)
    try:
        try:
            parts = [dataset(path, train=train) for train in (True, False)]
        except RuntimeError:
            parts = [dataset(path, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"dataset_path: {name} is not in {path} and cannot be downloaded there ({error})"
        ) from None
    return Dataset(_image_set(parts[0].data, size), _image_set(parts[1].data, size))


def _image_set(images: Sequence[Pixels] | Pixels, size: int) -> ImageSet:
    """Lay pictures out at every scale that their short side allows."""
    if isinstance(images, np.ndarray) and images.shape[1:3] == (size, size):
        count = len(images)
        full = torch.full((count, 1), size)
        return ImageSet(
            torch.from_numpy(np.ascontiguousarray(images)).reshape(-1, 3),
            (torch.arange(count) * size * size)[:, None],
            full,
            full,
            torch.ones(count, dtype=torch.long),
        )
    flat: list[Pixels] = []
    table = np.zeros((3, len(images), len(SCALES)), dtype=np.int64)
    scales = np.zeros(len(images), dtype=np.int64)
    offset = 0
    for n, pixels in enumerate(images):
        image = Image.fromarray(pixels)
        sides = sorted({int(s * size) for s in SCALES if s * size <= min(image.size)})
        scales[n] = len(sides)
        for k, side in enumerate(sides):
            level = np.asarray(_with_short_side(image, side))
            height, width = level.shape[:2]
            table[:, n, k] = offset, height, width
            flat.append(level.reshape(-1, 3))
            offset += height * width
    offsets, heights, widths = torch.from_numpy(table).unbind(0)
    joined = torch.from_numpy(np.concatenate(flat))
    return ImageSet(joined, offsets, heights, widths, torch.from_numpy(scales))
