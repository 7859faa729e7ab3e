"""Plain PyTorch loop for the same training: the reference for the engine's speed and results.

Float32, NCHW, PyTorch's default Adam, and a DataLoader that converts one image at a time to Lab
on the CPU, as in tutorials. It shares the networks and the losses with the engine, but none of the
code that runs them.
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
"""Maximum number of loader processes for a GPU; none for the CPU, whose cores they would take."""
_ENDLESS = 2**40


class LabPictures(TorchDataset[tuple[Tensor, Tensor, Tensor]]):
    """Pictures, each converted on access."""

    def __init__(self, pictures: Tensor, augment: bool) -> None:
        """Take pictures (N, H, W, 3), uint8 sRGB; ``augment`` flips each with probability 0.5."""
        self._pictures = pictures
        self._augment = augment

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return L (1, H, W) and ab (2, H, W) in [-1, 1], and RGB (3, H, W) in [0, 1]."""
        rgb = self._pictures[index].permute(2, 0, 1).float() / 255
        if self._augment and torch.rand(()) < 0.5:
            rgb = rgb.flip(2)
        l, ab = rgb_to_l_ab(rgb[None])  # noqa: E741
        return l[0], ab[0], rgb


class PlainLoop:
    """Both networks with their optimizers, and the loader that feeds them."""

    def __init__(self, config: TrainConfig, pictures: Tensor, device: torch.device) -> None:
        """Start from the weights that the config's seed determines.

        Args:
            config: all settings count except ``precision``; learning rates stay constant, and
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
            # One permutation after another, like epochs without a pause between them.
            sampler=RandomSampler(dataset, num_samples=_ENDLESS),
            num_workers=min(MAX_WORKERS, os.cpu_count() or 1) if on_gpu else 0,
            pin_memory=on_gpu,
        )
        self._batches = self._loaded()

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        # As a generator, this starts the loader's processes only with the first batch.
        yield from self.loader

    def step(self) -> dict[str, float]:
        """Load a batch, update on it and return the losses."""
        l, ab, rgb = (x.to(self.device, non_blocking=True) for x in next(self._batches))  # noqa: E741
        return self.update(l, ab, rgb)

    def update(self, l: Tensor, ab: Tensor, rgb: Tensor) -> dict[str, float]:  # noqa: E741
        """Update the discriminator if due, then the generator.

        Args:
            l: (B, 1, H, W), scaled lightness in [-1, 1], on the device.
            ab: (B, 2, H, W), scaled colour in [-1, 1], on the device.
            rgb: (B, 3, H, W), the same pictures in sRGB, [0, 1], on the device.

        Returns:
            Losses by name; those of the discriminator only if it was updated.
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
