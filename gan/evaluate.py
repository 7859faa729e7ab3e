"""What a generator achieves on held-out images, in numbers and in pictures."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan import samples
from gan.color import l_ab_to_rgb, rgb_to_l_ab
from gan.config import TrainConfig
from gan.controls import STATISTICS


@dataclass(frozen=True)
class HeldOut:
    """The held-out images of a trial with all of it that no training changes."""

    rgb: Tensor
    """(n, 3, H, W) in [0, 1]."""
    l: Tensor  # noqa: E741
    """(n, 1, H, W), scaled lightness in [-1, 1]."""
    columns: Tensor
    """Indices of the images in the sample grid."""

    @classmethod
    def of(cls, rgb: Tensor, pictures: int) -> "HeldOut":
        """Prepare images; the grid shows an even choice of the first ``pictures`` of them."""
        last = min(pictures, len(rgb)) - 1
        columns = torch.linspace(0, last, min(samples.COLUMNS, last + 1)).round().long()
        return cls(rgb, rgb_to_l_ab(rgb)[0], columns)


def colorize_batch(generator: nn.Module, l: Tensor, batch_size: int) -> Tensor:  # noqa: E741
    """Colour images with a generator in inference mode: batch statistics frozen, no dropout.

    Args:
        generator: L -> ab.
        l: (n, 1, H, W), scaled lightness in [-1, 1].
        batch_size: images at a time.

    Returns:
        (n, 3, H, W), sRGB in [0, 1].
    """
    was_training = generator.training
    generator.eval()
    with torch.inference_mode():
        parts = [
            l_ab_to_rgb(part, generator(part.contiguous(memory_format=torch.channels_last)))
            for part in torch.split(l, batch_size)
        ]
    generator.train(was_training)
    return torch.cat(parts)


def evaluate(rgb: Tensor, images: HeldOut, config: TrainConfig) -> dict[str, float]:
    """Measure colorized images.

    Args:
        rgb: (n, 3, H, W) in [0, 1], the held-out images as colorized.
        images: the held-out images.
        config: its controls are what was wanted.

    Returns:
        ``<statistic>``: mean over the images, circular for hue, of every statistic;
        ``<statistic>_error``: mean over the images of |achieved - target|, for each control;
        ``<statistic>_reachable``: mean over the images of the nearest value to the target that
        any colouring of that lightness can have;
        ``mae``: mean absolute difference from the originals' RGB, in [0, 1].
    """
    metrics = {"mae": (rgb - images.rgb).abs().mean().item()}
    for name, statistic in STATISTICS.items():
        values = statistic.measure(rgb)
        metrics[name] = statistic.average(values)
        if control := config.controls.get(name):
            reachable = statistic.reachable(images.l, control.target)
            metrics[f"{name}_error"] = statistic.distance(values, control.target).mean().item()
            metrics[f"{name}_reachable"] = statistic.average(reachable)
    return metrics


def sample_grid(rgb: Tensor, images: HeldOut) -> bytes:
    """Draw grayscale, original and colorized over the grid's images, as a PNG (``samples``)."""
    chosen = images.columns
    grey = l_ab_to_rgb(images.l[chosen], torch.zeros_like(rgb[chosen, :2]))
    rows = torch.stack([grey, images.rgb[chosen], rgb[chosen]])
    return samples.draw((rows * 255).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy())
