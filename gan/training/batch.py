"""Batches: pictures in the form that networks and losses take, with the targets of each.

Apart from the choice of pictures, all random numbers of a batch are drawn on the CPU from seed and
step (``Draws``). On the device, ``prepare`` turns them into targets and fitted colours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan.colour.exact_control import fit
from gan.colour.statistic import Targets
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.control import TARGET_RANGES, Control, ControlName
from gan.data.batches import Stream, mix
from gan.training.distribution import draw_directions, draw_pixels


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures with the targets of each."""

    l: Tensor  # noqa: E741
    """(N, 1, H, W), scaled lightness in [-1, 1]."""
    ab: Tensor
    """(N, 2, H, W), scaled colour of the unchanged photographs, in [-1, 1]."""
    rgb: Tensor
    """(N, 3, H, W), the unchanged photographs in sRGB, [0, 1]."""
    targets: Targets
    fitted_ab: Tensor
    """(N, 2, H, W): the photographs' colours moved to the targets; ``ab`` if nothing is fitted."""

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Return a copy with every tensor changed."""
        targets = {name: change(tensor) for name, tensor in self.targets.items()}
        l, ab, rgb, fitted_ab = map(change, (self.l, self.ab, self.rgb, self.fitted_ab))  # noqa: E741
        return Batch(l, ab, rgb, targets, fitted_ab)

    def tensors(self) -> list[Tensor]:
        """List all tensors in a fixed order."""
        return [self.l, self.ab, self.rgb, *self.targets.values(), self.fitted_ab]


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers of one update."""

    targets: dict[ControlName, Tensor]
    """(N,), drawn uniformly, for each control whose target is ``any``."""
    directions: Tensor
    """(scales, 3, k), directions for the distribution loss."""
    pixels: Tensor
    """(p,), indices of the pixels in the distribution loss."""

    @classmethod
    def of(cls, config: TrainConfig, step: int) -> "Draws":
        """Draw the numbers of an update as a function of ``step`` and the config's seed."""
        random = torch.Generator().manual_seed(mix(config.seed, Stream.DRAWS, step))
        if config.distribution_weight > 0:
            directions = draw_directions(len(config.distribution_scales), random)
            pixels = draw_pixels(config.batch_size * config.image_size**2, random)
        else:
            directions, pixels = torch.empty(0), torch.empty(0, dtype=torch.long)
        targets = {
            name: _drawn(config.controls[name], name, config.batch_size, random)
            for name in config.conditions
        }
        return cls(targets, directions, pixels)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Draws":
        """Return a copy with every tensor changed, such as moved to a device."""
        targets = {name: change(tensor) for name, tensor in self.targets.items()}
        return Draws(targets, change(self.directions), change(self.pixels))

    def tensors(self) -> list[Tensor]:
        """List all tensors in a fixed order."""
        return [*self.targets.values(), self.directions, self.pixels]


def _drawn(control: Control, name: ControlName, count: int, random: torch.Generator) -> Tensor:
    """Draw (count,) values uniformly from a control's intervals, laid end to end."""
    left = torch.rand(count, generator=random) * sum(b - a for a, b in control.drawn(name))
    value = torch.empty(count)
    for start, end in control.drawn(name):
        value = torch.where(left >= 0, start + left, value)
        left = left - (end - start)
    return value


def prepare(
    l: Tensor,  # noqa: E741
    ab: Tensor,
    rgb: Tensor,
    draws: Draws,
    config: TrainConfig,
) -> Batch:
    """Assign targets to pictures, and move the pictures' colours there if a loss needs that.

    For targets that are ``any``, the first ``own_share`` of the pictures (which come first is
    random) get their own values, unless these are outside the drawn intervals. All other pictures
    get drawn values.

    Args:
        l: (N, 1, H, W), scaled lightness.
        ab: (N, 2, H, W), scaled colour.
        rgb: (N, 3, H, W), the same pictures in sRGB, [0, 1].
        draws: random numbers of the update, on the pictures' device.
        config: config of the trial.
    """
    if config.recolour or not config.controls:
        return Batch(l, ab, rgb, {}, ab)
    own = round(len(rgb) * config.own_share) if config.conditions else 0
    targets: dict[ControlName, Tensor] = {}
    left: list[Tensor] = []  # per control that moves own-value pictures: mask of those it leaves
    for name, control in config.controls.items():
        if not control.is_any:
            targets[name] = rgb.new_full((len(rgb),), control.wanted)
            left.append(torch.zeros(own, dtype=torch.bool, device=rgb.device))
            continue
        value, drawn = STATISTICS[name].measure(rgb[:own]), draws.targets[name]
        if control.drawn(name) != [TARGET_RANGES[name]]:
            inside = [(start <= value) & (value <= end) for start, end in control.drawn(name)]
            left.append(torch.stack(inside).any(dim=0))
            value = torch.where(left[-1], value, drawn[:own])
        targets[name] = torch.cat([value, drawn[own:]])
    if config.fit == "none":
        return Batch(l, ab, rgb, targets, ab)
    # If no control can move them, pictures with their own values need no fitting.
    first = 0 if left else own
    if first == len(rgb):
        return Batch(l, ab, rgb, targets, ab)
    moved = fit(l[first:], ab[first:], {name: values[first:] for name, values in targets.items()})
    if left:
        kept = torch.stack(left).all(dim=0)[:, None, None, None]
        moved = torch.cat([torch.where(kept, ab[:own], moved[:own]), moved[own:]])
    return Batch(l, ab, rgb, targets, torch.cat([ab[:first], moved]))
