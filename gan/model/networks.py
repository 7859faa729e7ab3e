"""Networks of the original project: a U-Net generator and a discriminator.

Layers are those of Nazeri, Ng, Ebrahimi, "Image Colorization with Generative Adversarial Networks"
(arXiv 1803.05400): those for CIFAR-10 at 32 pixels, for Places365 above. The generator encodes
down to 2x2, the discriminator to 4x4. Depth depends on image size, width on ``base_channels``.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan.colour.statistic import Targets
from gan.config import TrainConfig
from gan.control import ControlName
from gan.errors import UserError
from gan.model import conditioning
from gan.model.conditioning import with_planes
from gan.model.mean_of_2x2 import MeanOf2x2


def _down(
    config: TrainConfig, c_in: int, c_out: int, stride: int, *, norm: bool = True
) -> nn.Sequential:
    """Build a 4x4 convolution, batch normalisation and LeakyReLU; size / stride."""
    norm = norm and config.batch_norm
    pooled = stride == 2 and config.downsampling == "pooling"
    if stride == 2 and not pooled:
        layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, 4, 2, padding=1, bias=not norm)]
    else:
        layers = [_same(), nn.Conv2d(c_in, c_out, 4, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(c_out))
    layers.append(nn.LeakyReLU(config.leaky_slope))
    if pooled:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _same() -> nn.ZeroPad2d:
    """Build the padding with which a 4x4 convolution of stride 1 keeps the size."""
    return nn.ZeroPad2d((1, 2, 1, 2))


def _up(config: TrainConfig, c_in: int, c_out: int, *, dropout: bool) -> nn.Sequential:
    """Build a 4x4 transposed convolution, batch normalisation, ReLU and dropout 0.5; size * 2."""
    norm = config.batch_norm
    resize = config.upsampling == "resize"
    enlarge: list[nn.Module] = [
        nn.ConvTranspose2d(c_in, c_out, 4, 2, padding=1, output_padding=int(resize), bias=not norm)
    ]
    if resize:
        # Averaging 2x2 afterwards equals a 4x4 convolution of a nearest-neighbour enlargement:
        # no checkerboard (Odena et al. 2016), at a quarter of the multiplications.
        enlarge.append(MeanOf2x2())
    return nn.Sequential(
        *enlarge,
        nn.BatchNorm2d(c_out) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Dropout(0.5 if dropout else 0.0),
    )


def _widths(base: int, levels: int, *, thin_start: bool) -> list[int]:
    """Return channels of ``levels`` layers: 1, 2, 4, 8, 8, ... times base; 1, 1, 2, ... if thin."""
    return [base * min(8, 2 ** max(0, i - thin_start)) for i in range(levels)]


class _Given(nn.Module):
    """Targets as inputs of a network: planes appended to its picture, a modulation per block."""

    def __init__(self, config: TrainConfig, widths: list[int]) -> None:
        super().__init__()
        self.controls = {name: config.controls[name] for name in config.conditions}
        inputs = conditioning.width(config.conditions)
        self.planes = inputs if config.conditioning != "film" else 0
        modulated = widths if inputs and config.conditioning != "plane" else []
        self.modulations = nn.ModuleList(conditioning.Modulation(inputs, c) for c in modulated)

    def coordinates(self, targets: Targets | None) -> Tensor | None:
        if not self.controls:
            return None
        targets = targets or {}
        if lacking := [name for name in self.controls if name not in targets]:
            raise UserError(f"this generator needs a target for {', '.join(lacking)}")
        return conditioning.coordinates(targets, self.controls)

    def beside(self, picture: Tensor, given: Tensor | None) -> Tensor:
        return picture if not self.planes or given is None else with_planes(picture, given)

    def modulate(self, block: int, maps: Tensor, given: Tensor | None) -> Tensor:
        if not len(self.modulations) or given is None:
            return maps
        modulated: Tensor = self.modulations[block](maps, given)
        return modulated


class UNetGenerator(nn.Module):
    """U-Net from lightness, and from the targets of an any-target trial, to colour."""

    def __init__(self, config: TrainConfig) -> None:
        """Build the layers that a config describes; weights are drawn by ``initialize``."""
        super().__init__()
        self.config = config
        large = config.image_size > 32
        levels = int(math.log2(config.image_size))
        widths = _widths(config.base_channels, levels, thin_start=large)
        self.stride = 2 ** (levels - 1)
        mirrored = widths[-2::-1]
        self.given = _Given(config, [*widths, *mirrored])
        self.encoder = nn.ModuleList(
            _down(config, c_in, c_out, stride=1 if i == 0 else 2)
            for i, (c_in, c_out) in enumerate(
                zip([1 + self.given.planes, *widths], widths, strict=False)
            )
        )
        inputs = [widths[-1], *(2 * c for c in mirrored)]
        dropouts = 3 if large else 2
        self.decoder = nn.ModuleList(
            _up(config, c_in, c_out, dropout=i < dropouts)
            for i, (c_in, c_out) in enumerate(zip(inputs, mirrored, strict=False))
        )
        self.head = nn.Conv2d(2 * widths[0], 2, 1)

    @property
    def conditions(self) -> tuple[ControlName, ...]:
        """Statistics whose targets are inputs of the generator."""
        return tuple(self.given.controls)

    def forward(self, l: Tensor, targets: Targets | None = None) -> Tensor:  # noqa: E741
        """Colour pictures.

        Args:
            l: (N, 1, H, W) in [-1, 1].
            targets: (N,) for each of ``conditions``; others are ignored.

        Returns:
            ab (N, 2, H, W) in (-1, 1).

        Raises:
            UserError: H or W is not a multiple of ``stride``, or a target is missing.
        """
        if l.shape[2] % self.stride or l.shape[3] % self.stride:
            raise UserError(
                f"{l.shape[3]}x{l.shape[2]} pixels: this generator needs sides that are multiples "
                f"of {self.stride}"
            )
        given = self.given.coordinates(targets)
        maps = []
        x = self.given.beside(l, given)
        for i, block in enumerate(self.encoder):
            x = self.given.modulate(i, block(x), given)
            maps.append(x)
        for i, (block, mirror) in enumerate(
            zip(self.decoder, maps[-2::-1], strict=True), start=len(maps)
        ):
            x = torch.cat([self.given.modulate(i, block(x), given), mirror], dim=1)
        return torch.tanh(self.head(x))


@dataclass(frozen=True, eq=False)
class Judgement:
    """Output of a discriminator."""

    logits: Tensor
    """(N, 1, 4, 4): one for each patch, high if it looks real."""
    read: Tensor | None = None
    """(N, K): coordinates of the steered statistics, as read from the pictures."""


class Discriminator(nn.Module):
    """Network that judges whether colours are real, given lightness and targets."""

    def __init__(self, config: TrainConfig) -> None:
        """Build the layers that a config describes; weights are drawn by ``initialize``."""
        super().__init__()
        levels = int(math.log2(config.image_size)) - 2
        widths = _widths(config.base_channels, levels, thin_start=False)
        last = 8 * config.base_channels
        self.given = _Given(config, [*widths, last])
        self.layers = nn.Sequential(
            *(
                _down(config, c_in, c_out, stride=2, norm=i > 0)
                for i, (c_in, c_out) in enumerate(
                    zip([3 + self.given.planes, *widths], widths, strict=False)
                )
            ),
            _down(config, widths[-1], last, stride=1),
            _same(),
            nn.Conv2d(last, 1, 4),
        )
        self.reads = steered_by_discriminator(config)
        self.reader = nn.Linear(last, conditioning.width(self.reads)) if self.reads else None

    def forward(self, l: Tensor, ab: Tensor, targets: Targets | None = None) -> Judgement:  # noqa: E741
        """Judge pictures.

        Args:
            l: (N, 1, H, W), scaled to [-1, 1].
            ab: (N, 2, H, W), scaled to [-1, 1].
            targets: (N,) for each condition of the config.
        """
        given = self.given.coordinates(targets)
        *blocks, pad, head = self.layers
        x = self.given.beside(torch.cat([l, ab], dim=1), given)
        for i, block in enumerate(blocks):
            x = self.given.modulate(i, block(x), given)
        read = None if self.reader is None else self.reader(x.mean(dim=(2, 3))).float()
        return Judgement(head(pad(x)).float(), read)


def steered_by_discriminator(config: TrainConfig) -> tuple[ControlName, ...]:
    """Return the statistics that the discriminator reads from pictures, for their penalty."""
    if config.penalty_on == "generator":
        return ()
    return tuple(name for name, control in config.controls.items() if control.weight > 0)


def initialize(network: nn.Module, config: TrainConfig, random: torch.Generator) -> None:
    """Draw the weights of every convolution and linear layer; biases are 0.

    ``he``: He et al., "Delving Deep into Rectifiers" (arXiv 1502.01852), for the config's
    LeakyReLU. ``normal``: standard deviation 0.02, Radford et al., DCGAN (arXiv 1511.06434).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if config.initialization == "he":
                nn.init.kaiming_normal_(module.weight, config.leaky_slope, generator=random)
            else:
                nn.init.normal_(module.weight, std=0.02, generator=random)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, conditioning.Modulation):
            nn.init.zeros_(module.outer.weight)
    if isinstance(network, UNetGenerator):
        with torch.no_grad():
            network.head.weight.mul_(config.head_gain)


def build(config: TrainConfig) -> tuple[UNetGenerator, Discriminator]:
    """Build both networks of a trial on the CPU, initialised from its seed."""
    networks = UNetGenerator(config), Discriminator(config)
    random = torch.Generator().manual_seed(config.seed)
    for network in networks:
        initialize(network, config, random)
    return networks
