"""Pictures as arrays: the scales that crops are cut from, sets held in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.data.picture_file import Pixels, UnusablePicture, read_picture

# Short sides at which a photograph is stored, in multiples of the image size: crops of varied
# scale are then plain windows, without resampling in the training loop.
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
# Out of 255: an invisible colour cast, which JPEG alone can cause.
GREY_TOLERANCE = 4
"""Largest |R - G|, |G - B|, |R - B| of a picture that counts as grayscale."""


@dataclass(frozen=True)
class Groups:
    """Groups of pictures that count as one image, such as parts of one photograph; on the CPU."""

    pictures: Tensor
    """(N,): the pictures, group after group."""
    starts: Tensor
    """(G,): index in ``pictures`` at which each group starts."""
    sizes: Tensor
    """(G,): number of pictures in each group."""

    @classmethod
    def of(cls, names: Sequence[str]) -> "Groups":
        """Group pictures by group names, one for each picture."""
        numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
        group = torch.tensor([numbers[name] for name in names])
        sizes = torch.bincount(group)
        return cls(group.argsort(stable=True), sizes.cumsum(0) - sizes, sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def shown(self, group: Tensor, turn: Tensor) -> Tensor:
        """Choose a picture of each group (B,); successive turns (B,) cycle through all of them."""
        return self.pictures[self.starts[group] + turn % self.sizes[group]]


@dataclass(frozen=True)
class ImageSet:
    """Pictures of any size, each at several scales, as one flat array of pixels."""

    pixels: Tensor
    """(P, 3) uint8, sRGB."""
    offsets: Tensor
    """(N, K): index in ``pixels`` at which picture n at scale k starts."""
    heights: Tensor
    """(N, K), pixels."""
    widths: Tensor
    """(N, K), pixels."""
    scales: Tensor
    """(N,): number of the K scales that each picture has."""
    groups: Groups | None = None
    """Groups of pictures that count as one image; None if every picture is an image."""

    def __len__(self) -> int:
        """Count the images; a group counts as one."""
        return len(self.scales) if self.groups is None else len(self.groups)

    @property
    def one_window(self) -> bool:
        """Whether each image has only one window: all are squares of exactly the right size."""
        square = (self.heights[:, 0] == self.widths[:, 0]).all()
        return bool(square and self.scales.max() == 1)

    def crops(self, image: Tensor, scale: Tensor, place: Tensor, flip: Tensor, size: int) -> Tensor:
        """Cut square windows.

        Args:
            image: (B,) indices of pictures, on any device, like the other tensors.
            scale: (B,) in [0, 1), mapped to the scales that the picture has.
            place: (B, 2) in [0, 1), mapped to the possible top and left edges.
            flip: (B,) booleans, whether to mirror left to right.
            size: side of the window in pixels.

        Returns:
            (B, 3, size, size) float32 in [0, 1].
        """
        device = self.pixels.device
        # Non-blocking: the GPU is still busy with the previous step.
        image, scale, place, flip = (
            x.to(device, non_blocking=True) for x in (image, scale, place, flip)
        )
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
        return as_rgb(self.pixels[index])

    def subset(self, rows: Tensor) -> "ImageSet":
        """Choose pictures by index, without their groups; the pixels are shared."""
        tables = ("offsets", "heights", "widths", "scales")
        chosen = {name: getattr(self, name)[rows] for name in tables}
        return replace(self, groups=None, **chosen)

    def identity(self) -> Iterator[memoryview]:
        """Yield bytes that distinguish these pictures, and their groups, from others."""
        grouped = () if self.groups is None else (self.groups.pictures, self.groups.sizes)
        for table in (self.heights, self.widths, self.pixels, *grouped):
            yield np.ascontiguousarray(table.numpy()).data

    def fingerprints(self) -> Iterator[bytes]:
        """Yield a digest of each picture's pixels at its smallest scale."""
        pixels = self.pixels.numpy()
        sizes = self.heights[:, 0] * self.widths[:, 0]
        for start, count, width in zip(self.offsets[:, 0], sizes, self.widths[:, 0], strict=True):
            content = np.ascontiguousarray(pixels[int(start) : int(start + count)]).data
            yield hashlib.blake2b(content, key=str(int(width)).encode(), digest_size=16).digest()

    def to(self, device: torch.device) -> "ImageSet":
        """Return a copy on a device."""
        tensors = ("pixels", "offsets", "heights", "widths", "scales")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


def as_rgb(windows: Tensor) -> Tensor:
    """Convert (B, H, W, 3) uint8 to (B, 3, H, W) float32 in [0, 1]."""
    return windows.permute(0, 3, 1, 2).float() / 255


def read_photograph(file: Path, size: int) -> Pixels:
    """Decode the picture in a file, reduced by ``for_training``.

    Raises:
        UnusablePicture: the picture cannot be decoded, is grayscale, or smaller than ``size``.
        UserError: the file cannot be read (missing, no permission, failing disk).
    """
    return for_training(read_picture(file).rgb(), str(file), size)


def for_training(pixels: Pixels, name: str, size: int) -> Pixels:
    """Reduce a colour picture to the largest scale that training cuts from.

    Args:
        pixels: (H, W, 3) uint8, sRGB.
        name: name of the picture in messages.
        size: least short side, pixels.

    Returns:
        (H, W, 3) uint8, sRGB, with a short side from ``size`` to 6 times ``size``.

    Raises:
        UnusablePicture: the picture is grayscale, or smaller than ``size``.
    """
    sides = (pixels.shape[1], pixels.shape[0])
    require_size(sides, name, size)
    pixels = _reduced(pixels, decoded_sides(sides, size))
    # At 192 x 256 pixels, max and min along the axis of three take 2.2 ms, these 0.1 ms.
    red, green, blue = np.moveaxis(pixels, 2, 0)
    largest = np.maximum(np.maximum(red, green), blue)
    smallest = np.minimum(np.minimum(red, green), blue)
    if int((largest - smallest).max()) <= GREY_TOLERANCE:
        raise UnusablePicture(f"{name}: is grayscale; training needs colour")
    return pixels


def require_size(sides: tuple[int, int], name: str, size: int) -> None:
    """Refuse a picture of ``sides`` (width, height) in which no window of ``size`` fits.

    Raises:
        UnusablePicture: the picture is smaller.
    """
    if min(sides) < size:
        raise UnusablePicture(f"{name}: {sides[0]}x{sides[1]} is smaller than image_size {size}")


def level_sides(short: int, size: int) -> list[int]:
    """Return the short sides, ascending, at which a picture of short side ``short`` is stored."""
    return sorted({int(s * size) for s in SCALES if s * size <= short})


def at_level(pixels: Pixels, side: int) -> Pixels:
    """Reduce a picture (H, W, 3) to the short side ``side``."""
    return _reduced(pixels, _sides_with_short((pixels.shape[1], pixels.shape[0]), side))


def decoded_sides(sides: tuple[int, int], size: int) -> tuple[int, int]:
    """Return the width and height to which ``for_training`` reduces a picture of ``sides``."""
    return _sides_with_short(sides, min(*sides, int(SCALES[-1] * size)))


@lru_cache(maxsize=4096)
def pyramid_pixels(sides: tuple[int, int], size: int) -> int:
    """Count the pixels, over all scales, of a picture of ``sides`` (width, height)."""
    levels = [_sides_with_short(sides, side) for side in level_sides(min(sides), size)]
    return sum(width * height for width, height in levels)


def _reduced(pixels: Pixels, sides: tuple[int, int]) -> Pixels:
    if sides == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(sides, Image.Resampling.LANCZOS))


def _sides_with_short(sides: tuple[int, int], side: int) -> tuple[int, int]:
    ratio = side / min(sides)
    return (round(sides[0] * ratio), round(sides[1] * ratio))


def image_set(pictures: Iterable[Pixels], size: int, capacity: int) -> ImageSet:
    """Lay out pictures at every scale that their short side allows.

    Args:
        pictures: (H, W, 3) uint8 each, taken one at a time.
        size: least short side, pixels.
        capacity: upper bound on the pixels of all pictures at all scales.
    """
    # Reserved but not filled: the unused rest takes no memory.
    pixels = np.empty((capacity, 3), dtype=np.uint8)
    tables: list[list[tuple[int, int, int]]] = []
    end = 0
    for picture in pictures:
        tables.append([])
        for side in level_sides(min(picture.shape[:2]), size):
            level = at_level(picture, side)
            height, width = level.shape[:2]
            tables[-1].append((end, height, width))
            pixels[end : end + height * width] = level.reshape(-1, 3)
            end += height * width
    table = np.zeros((3, len(tables), len(SCALES)), dtype=np.int64)
    for n, rows in enumerate(tables):
        table[:, n, : len(rows)] = np.transpose(rows)
    offsets, heights, widths = torch.from_numpy(table).unbind(0)
    scales = torch.tensor([len(rows) for rows in tables])
    return ImageSet(torch.from_numpy(pixels[:end]), offsets, heights, widths, scales)


def image_set_of_squares(pictures: Pixels) -> ImageSet:
    """Wrap pictures (N, size, size, 3) of exactly the right size without copying them."""
    count, size = pictures.shape[:2]
    full = torch.full((count, 1), size)
    return ImageSet(
        torch.from_numpy(np.ascontiguousarray(pictures)).reshape(-1, 3),
        (torch.arange(count) * size * size)[:, None],
        full,
        full,
        torch.ones(count, dtype=torch.long),
    )
