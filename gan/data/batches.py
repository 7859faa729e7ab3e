"""Batches and held-out images as functions of config and step."""

from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gan.config import TrainConfig
from gan.data.datasets import Images
from gan.data.images import ImageSet, as_rgb
from gan.data.streaming import StreamedImages

AHEAD = 3
"""Batches that are decoded before they are asked for; of 128 images of 256 px each holds 25 MB."""


def training_batch(images: Images, config: TrainConfig, step: int) -> Tensor:
    """Batch number ``step``: the same for the same seed and step, whatever came before.

    Each epoch is a permutation of the images; a batch may span two. Where to cut and whether
    to flip is drawn anew for each. An image that is a group of pictures shows one of them in each
    epoch, in turn.

    Returns:
        (batch_size, 3, image_size, image_size) float32 RGB in [0, 1], on the images' device.

    Raises:
        UserError: a picture that is read only now cannot be.
    """
    return images.crops(*_draws(images, config, step), config.image_size)


class Batches:
    """The batches of a training: those of pictures on disk are decoded ahead, in the background.

    One thread decodes for the next steps while the caller trains on this one (and uses more for
    the pictures of a batch). It ends with ``close``, with the object, or with the interpreter.
    """

    def __init__(self, images: Images, config: TrainConfig) -> None:
        """Prepare; nothing is decoded before the first ``at``."""
        self._images = images
        self._config = config
        self._pool = ThreadPoolExecutor(1, "batches")
        self._pending: dict[int, Future[Tensor]] = {}

    def at(self, step: int) -> Tensor:
        """Return ``training_batch(images, config, step)``; quickest for one step after another.

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
        # On the device by this thread: a copy from the other would wait for the step in progress.
        return as_rgb(windows.to(device, non_blocking=True))

    def close(self) -> None:
        """End the background thread, within a batch's time; ``at`` is then over."""
        self._pool.shutdown(cancel_futures=True)


def _windows(images: StreamedImages, config: TrainConfig, step: int) -> Tensor:
    return images.windows(*_draws(images, config, step), config.image_size)


def _draws(images: Images, config: TrainConfig, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Picture, scale, place and flip of each crop of a batch, as ``ImageSet.crops`` takes them."""
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
    """Choose the picture that each image (B,) is in an epoch (B,).

    A group's are taken in turn, from one that the seed draws: in as many epochs as it has pictures
    each is shown once.
    """
    if not isinstance(images, ImageSet) or images.groups is None:
        return image
    random = torch.Generator().manual_seed(mix(seed, Stream.GROUPS, 0))
    first = torch.randint(2**31, (len(images),), generator=random)
    return images.groups.shown(image, first[image] + epoch)


def held_out(images: Images, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Fixed crops of the held-out images, the same for every trial of the same image size.

    First the middle of every image at its smallest scale, then windows at random scales.

    Args:
        images: the held-out ones.
        config: gives the size, how many, and which half of the images.

    Returns:
        (n, 3, image_size, image_size) float32 RGB in [0, 1], n at most ``eval_images``; and (n,),
        on the CPU, which of the images each is a crop of.

    Raises:
        UserError: a picture that is read only now cannot be.
    """
    count = len(images)
    # In turns: what lies side by side in a folder is often alike.
    halves = {"all": range(count), "first": range(0, count, 2), "second": range(1, count, 2)}
    return fixed_crops(images, config, halves[config.eval_half] or range(count), config.eval_images)


def fixed_crops(
    images: Images, config: TrainConfig, of: range, count: int
) -> tuple[Tensor, Tensor]:
    """Cut windows that depend on nothing but the image size: see ``held_out``."""
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


# A batch spans two epochs at most; an order of 3 million images takes 24 MB.
@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(
        count, generator=torch.Generator().manual_seed(mix(seed, Stream.ORDER, epoch))
    )


class Stream(IntEnum):
    """What is random in a training; none of it depends on another."""

    ORDER = 0
    CROPS = 1
    DROPOUT = 2
    GROUPS = 3
    DRAWS = 4


def mix(seed: int, stream: Stream, index: int) -> int:
    """Derive a 63-bit seed for draw ``index`` of a random stream; neighbours are unrelated."""
    state: int = np.random.SeedSequence([seed, stream, index]).generate_state(1, np.uint64)[0] >> 1
    return int(state)
