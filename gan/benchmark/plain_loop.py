"""The same training as a plain PyTorch loop: what the engine's speed and numbers are held against.

Float32, NCHW, PyTorch's default Adam, and a DataLoader that converts one image at a time to Lab
on the CPU, as tutorials write it. It shares the networks and the losses with the engine, and
nothing of how they are run.
"""

import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler
from torch.utils.data import Dataset as TorchDataset

from gan.colour.conversion import rgb_to_l_ab
from gan.config import TrainConfig
from gan.model.networks import build
from gan.training.batch import Draws, prepare
from gan.training.losses import Network, Update, losses, real_ab, terms

MAX_WORKERS = 8
"""Processes that load for a GPU, at most; none for the CPU, whose cores they would take."""
_ENDLESS = 2**40


class LabPictures(TorchDataset[tuple[Tensor, Tensor, Tensor]]):
    """Pictures, each converted when it is asked for."""

    def __init__(self, pictures: Tensor, augment: bool) -> None:
        """Take pictures (N, H, W, 3), uint8 sRGB; flip every other one, at random, to augment."""
        self._pictures = pictures
        self._augment = augment

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return L (1, H, W), ab (2, H, W) in [-1, 1] and RGB (3, H, W) in [0, 1] of a picture."""
        rgb = self._pictures[index].permute(2, 0, 1).float() / 255
        if self._augment and torch.rand(()) < 0.5:
            rgb = rgb.flip(2)
        l, ab = rgb_to_l_ab(rgb[None])  # noqa: E741
        return l[0], ab[0], rgb


class PlainLoop:
    """Both networks with their optimizers, and the loader that feeds them."""

    def __init__(self, config: TrainConfig, pictures: Tensor, device: torch.device) -> None:
        """Start from the weights that the config's seed gives.

        Args:
            config: ``precision`` aside, all of it counts; learning rates stay as they start, and
                penalties act from the start.
            pictures: (N, image_size, image_size, 3), uint8 sRGB, on the CPU.
            device: where to train.
        """
        self.config = config
        self.device = device
        self.generator, self.discriminator = (network.to(device) for network in build(config))
        betas = (config.beta1, 0.999)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), config.generator_lr, betas
        )
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_lr, betas
        )
        self.terms = terms(config)
        self.steps = 0
        on_gpu = device.type == "cuda"
        dataset = LabPictures(pictures, config.augment)
        self.loader = DataLoader(
            dataset,
            batch_size=config.batch_size,
            # One permutation after another, as epochs are, without a pause between them.
            sampler=RandomSampler(dataset, num_samples=_ENDLESS),
            num_workers=min(MAX_WORKERS, os.cpu_count() or 1) if on_gpu else 0,
            pin_memory=on_gpu,
        )
        self._batches = self._loaded()

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        # The loader's processes start with the first batch that is asked for.
        yield from self.loader

    def step(self) -> dict[str, float]:
        """Load a batch and update on it; returns the losses."""
        l, ab, rgb = (x.to(self.device, non_blocking=True) for x in next(self._batches))  # noqa: E741
        return self.update(l, ab, rgb)

    def update(self, l: Tensor, ab: Tensor, rgb: Tensor) -> dict[str, float]:  # noqa: E741
        """Update the discriminator, where it is its turn, then the generator.

        Args:
            l: (B, 1, H, W), scaled lightness in [-1, 1], on the device.
            ab: (B, 2, H, W), scaled colour in [-1, 1], on the device.
            rgb: (B, 3, H, W), the same pictures in sRGB, [0, 1], on the device.

        Returns:
            The losses by name; those of the discriminator only where it had its turn.
        """
        draws = Draws.of(self.config, self.steps).mapped(lambda x: x.to(self.device))
        batch = prepare(l, ab, rgb, draws, self.config)
        made_ab = self.generator(l, batch.targets)
        made: dict[str, Tensor] = {}

        if self.steps % self.config.discriminator_every == 0:
            self.discriminator.requires_grad_(True)
            real = self.discriminator(l, real_ab(batch, self.config), batch.targets)
            fake = self.discriminator(l, made_ab.detach(), batch.targets)
            update = Update(batch, draws, made_ab.detach(), fake, real)
            made |= self._descend("discriminator", self.discriminator_optimizer, update)

        self.discriminator.requires_grad_(False)
        fake = self.discriminator(l, made_ab, batch.targets)
        update = Update(batch, draws, made_ab, fake)
        made |= self._descend("generator", self.generator_optimizer, update)
        self.steps += 1
        return {name: loss.item() for name, loss in made.items()}

    def _descend(
        self, network: Network, optimizer: torch.optim.Optimizer, update: Update
    ) -> dict[str, Tensor]:
        made = losses(self.terms, network, update)
        optimizer.zero_grad()
        torch.stack(list(made.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return made
