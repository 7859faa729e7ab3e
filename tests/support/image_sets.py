"""What tests of image sets share."""

from torch import Tensor

from gan.data.datasets import Images
from gan.data.images import ImageSet
from gan.data.picture_file import Pixels


def as_bytes(rgb: Tensor) -> Pixels:
    """(N, 3, H, W) in [0, 1] -> (N, H, W, 3) uint8, exactly."""
    scaled = rgb.double() * 255
    assert (scaled - scaled.round()).abs().max() < 1e-4
    array: Pixels = scaled.round().byte().permute(0, 2, 3, 1).numpy()
    return array


def in_memory(images: Images) -> ImageSet:
    assert isinstance(images, ImageSet)
    return images


def levels(images: Images, n: int) -> list[Pixels]:
    """Picture n as stored, at each of its scales."""
    images = in_memory(images)
    found = []
    for k in range(int(images.scales[n])):
        start, height, width = (
            int(table[n, k]) for table in (images.offsets, images.heights, images.widths)
        )
        flat = images.pixels[start : start + height * width].numpy()
        found.append(flat.reshape(height, width, 3))
    return found
