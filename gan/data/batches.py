"""Batches and held-out images as functions of config and step."""

from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gan.config import TrainConfig
from gan.data.datasets import Images
from gan.data.identity import dataset_of
from gan.data.images import ImageSet, as_rgb
from gan.data.streaming import StreamedImages
from gan.errors import UserError

AHEAD = 3
"""Batches decoded ahead of use; a batch of 128 images of 256 px takes 25 MB."""


def training_batch(images: Images, config: TrainConfig, step: int) -> Tensor:
    """Return batch number ``step``, which depends on the seed and step, not on earlier batches.

    Each epoch is a permutation of the images; a batch may span two. Crop and flip are drawn anew
    for each image. An image that is a group of pictures shows one of them per epoch, in turn.

    Returns:
        (batch_size, 3, image_size, image_size) float32 RGB in [0, 1], on the images' device.

    Raises:
        UserError: a streamed picture cannot be read.
    """
    return images.crops(*_draws(images, config, step), config.image_size)


class Batches:
    """Batches of a training; those of streamed pictures are decoded ahead, in the background.

    One thread decodes the next steps' batches during the caller's current step, and uses more
    threads within a batch. It ends with ``close``, with the object, or with the interpreter.
    """

    def __init__(self, images: Images, config: TrainConfig) -> None:
        """Prepare the batches; nothing is decoded before the first ``at``."""
        self._images = images
        self._config = config
        self._pool = ThreadPoolExecutor(1, "batches")
        self._pending: dict[int, Future[Tensor]] = {}

    def at(self, step: int) -> Tensor:
        """Return ``training_batch(images, config, step)``, fastest for consecutive steps.

        Raises:
            UserError: a picture cannot be read.
        """
        if isinstance(self._images, ImageSet):
            return training_batch(self._images, self._config, step)
        near = range(step, step + AHEAD + 1)
        for other in self._pending.keys() - set(near):
            self._pending.pop(other).cancel()
        for soon in near:
            if soon not in self._pending:
                self._pending[soon] = self._pool.submit(_windows, self._images, self._config, soon)
        windows, device = self._pending.pop(step).result(), self._images.device
        if device.type == "cuda":
            windows = windows.pin_memory()
        # Copied by this thread: a copy by the background thread would wait for the current step.
        return as_rgb(windows.to(device, non_blocking=True))

    def close(self) -> None:
        """End the background thread, within a batch's time; ``at`` cannot be called afterwards."""
        self._pool.shutdown(cancel_futures=True)


def _windows(images: StreamedImages, config: TrainConfig, step: int) -> Tensor:
    return images.windows(*_draws(images, config, step), config.image_size)


def _draws(images: Images, config: TrainConfig, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw picture, scale, place and flip of each crop of a batch, for ``ImageSet.crops``."""
    size, count = config.batch_size, len(images)
    position = torch.arange(step * size, (step + 1) * size)
    epoch = position // count
    epochs = epoch.tolist()
    orders = {e: _epoch_order(config.seed, e, count) for e in set(epochs)}
    order = torch.stack([orders[e][p] for e, p in zip(epochs, position % count, strict=True)])
    pictures = _shown(images, order, epoch, config.seed)
    random = torch.Generator().manual_seed(mix(config.seed, Stream.CROPS, step))
    draws = torch.rand(size, 4, generator=random)
    flip = (draws[:, 3] < 0.5) if config.augment else torch.zeros(size, dtype=torch.bool)
    return pictures, draws[:, 0], draws[:, 1:3], flip


def _shown(images: Images, image: Tensor, epoch: Tensor, seed: int) -> Tensor:
    """Choose the picture that each image (B,) shows in its epoch (B,).

    A group's pictures take turns, starting at one drawn from the seed: each is shown once in as
    many epochs as the group has pictures.
    """
    if not isinstance(images, ImageSet) or images.groups is None:
        return image
    random = torch.Generator().manual_seed(mix(seed, Stream.GROUPS, 0))
    first = torch.randint(2**31, (len(images),), generator=random)
    return images.groups.shown(image, first[image] + epoch)


def held_out(images: Images, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Cut fixed crops of the held-out images, the same for every trial of the same image size.

    The middle of every image at its smallest scale comes first, then windows at random scales.

    Args:
        images: the held-out images.
        config: gives the size and number of the crops, and the half of the images to use.

    Returns:
        (n, 3, image_size, image_size) float32 RGB in [0, 1], n as many as ``eval_images``, or if
        all images are of just that size, at most one of each; and (n,) on the CPU, the index of
        each crop's image.

    Raises:
        UserError: a streamed picture cannot be read, or the half is empty.
    """
    return fixed_crops(images, config, half_of(config, len(images)), config.eval_images)


def half_of(config: TrainConfig, count: int) -> range:
    """Return the indices of those of ``count`` held-out images that an evaluation uses.

    Raises:
        UserError: there are none.
    """
    # The halves alternate, as neighbours in a folder are often alike.
    halves = {"all": range(count), "first": range(0, count, 2), "second": range(1, count, 2)}
    if not (half := halves[config.eval_half]):
        where = dataset_of(config)
        raise UserError(f"eval_half: the one held-out image of {where} has no second half")
    return half


def fixed_crops(
    images: Images, config: TrainConfig, of: range, count: int
) -> tuple[Tensor, Tensor]:
    """Cut windows that depend only on the image size: see ``held_out``."""
    count = min(count, len(of)) if images.one_window else count
    draws = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    first = min(count, len(of))
    draws[:first, 0] = 0
    draws[:first, 1:] = 0.5
    position = torch.arange(count)
    image = of.start + of.step * (position % len(of))
    pictures = _shown(images, image, position // len(of), seed=0)
    flip = torch.zeros(count, dtype=torch.bool)
    return images.crops(pictures, draws[:, 0], draws[:, 1:], flip, config.image_size), image


# A batch spans two epochs at most; the order of 3 million images takes 24 MB.
@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(
        count, generator=torch.Generator().manual_seed(mix(seed, Stream.ORDER, epoch))
    )


class Stream(IntEnum):
    """Random streams of a training, independent of each other."""

    ORDER = 0
    CROPS = 1
    DROPOUT = 2
    GROUPS = 3
    DRAWS = 4


def mix(seed: int, stream: Stream, index: int) -> int:
    """Derive a 63-bit seed for draw ``index`` of a random stream; adjacent draws are unrelated."""
    state: int = np.random.SeedSequence([seed, stream, index]).generate_state(1, np.uint64)[0] >> 1
    return int(state)
