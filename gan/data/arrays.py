"""Pictures as arrays in an .npz archive."""

from pathlib import Path

import numpy as np

from gan.data.images import ImageSet, image_set, image_set_of_squares, pyramid_pixels
from gan.data.picture_file import Pixels
from gan.errors import UserError


def load_npz(path: Path, size: int) -> tuple[ImageSet, ImageSet]:
    """Load the arrays train and test, (N, H, W, 3) uint8, of an .npz archive.

    Raises:
        UserError: it cannot be read, or has no such arrays of large enough pictures.
    """
    wanted = "is not a valid .npz archive with numeric arrays train and test"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            parts = [archive[name] for name in ("train", "test")]
    except OSError as error:
        if error.errno is None:  # the content is at fault, not the system
            raise UserError(f"dataset_path: {path} {wanted}") from None
        raise UserError(f"dataset_path: {path} cannot be read ({error.strerror})") from None
    except KeyError as error:
        raise UserError(f"dataset_path: {path} {wanted} ({error.args[0]})") from None
    except MemoryError:  # not the archive's fault
        raise
    except Exception:  # a damaged archive can raise anything its decoders do
        raise UserError(f"dataset_path: {path} {wanted}") from None
    for name, part in zip(("train", "test"), parts, strict=True):
        shape = part.shape
        if part.dtype != np.uint8 or part.ndim != 4 or shape[3] != 3:
            raise UserError(
                f"dataset_path: {path}: {name} is {part.dtype} {shape}, not uint8 (N, H, W, 3)"
            )
        if not len(part):
            raise UserError(f"dataset_path: {path}: {name} has no pictures")
        if min(shape[1:3]) < size:
            raise UserError(
                f"dataset_path: {path}: {name} has images of {shape[1]}x{shape[2]}, smaller than "
                f"image_size {size}"
            )
    return _of_array(parts[0], size), _of_array(parts[1], size)


def _of_array(pictures: Pixels, size: int) -> ImageSet:
    count, height, width, _ = pictures.shape
    if height == width == size:
        return image_set_of_squares(pictures)
    return image_set(pictures, size, count * pyramid_pixels((width, height), size))
