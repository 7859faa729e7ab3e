"""What a generator achieves on held-out images, in numbers and in pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gan import metrics, samples
from gan.color import AB_SCALE, L_SCALE, l_ab_to_rgb, rgb_to_l_ab
from gan.config import TrainConfig
from gan.control import TARGETS, Control, ControlName
from gan.controls import STATISTICS, Statistic
from gan.exact import constant, exact

_PIXELS_AT_A_TIME = {"cpu": 2**18, "cuda": 2**22}
"""At 32 pixels 256 images on the CPU, where more take memory and are no quicker, and 4,096 on a
GPU, whose kernels want to be few and large."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out images of a trial with all of it that no training changes."""

    rgb: Tensor
    """(n, 3, H, W) in [0, 1]."""
    l: Tensor  # noqa: E741
    """(n, 1, H, W), scaled lightness in [-1, 1]."""
    ab: Tensor
    """(n, 2, H, W), scaled colour in [-1, 1]."""
    statistics: dict[ControlName, Tensor]
    """Every statistic of every image: (n,), on the CPU."""
    pictures: int
    """How many files or pictures the images are crops of."""
    columns: Tensor
    """Indices of the images in the sample grid."""
    _reachable: dict[tuple[ControlName, float], Tensor] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, rgb: Tensor, pictures: int) -> "HeldOut":
        """Prepare images; the grid shows an even choice of the first ``pictures`` of them."""
        pictures = min(pictures, len(rgb))
        columns = torch.linspace(0, pictures - 1, min(samples.COLUMNS, pictures)).round().long()
        parts = torch.split(rgb, _at_a_time(rgb))
        l, ab = (torch.cat(x) for x in zip(*map(rgb_to_l_ab, parts), strict=True))  # noqa: E741
        statistics = {
            name: torch.cat([statistic.measure(part) for part in parts]).cpu()
            for name, statistic in STATISTICS.items()
        }
        return cls(rgb, l, ab, statistics, pictures, columns)

    def reachable(self, name: ControlName, target: float) -> Tensor:
        """Nearest value to a target that any colouring of each image can have: (n,), on the CPU.

        Looked up pixel by pixel, once for each target.
        """
        if (found := self._reachable.get((name, target))) is None:
            parts = torch.split(self.l, _at_a_time(self.l))
            found = torch.cat([STATISTICS[name].reachable(part, target).cpu() for part in parts])
            self._reachable[name, target] = found
        return found


def colorize_batch(
    generator: nn.Module,
    l: Tensor,  # noqa: E741
    recolour_to: Mapping[ControlName, Control] | None = None,
) -> Tensor:
    """Colour images with a generator in inference mode: batch statistics frozen, no dropout.

    Args:
        generator: L -> ab.
        l: (n, 1, H, W), scaled lightness in [-1, 1].
        recolour_to: targets to move the colours to afterwards (``gan.exact``).

    Returns:
        (n, 3, H, W), sRGB in [0, 1].
    """
    was_training = generator.training
    generator.eval()
    parts = []
    with torch.inference_mode():
        for part in torch.split(l, _at_a_time(l)):
            ab = generator(part.contiguous(memory_format=torch.channels_last))
            if recolour_to:
                ab = exact(part, ab, constant(recolour_to, part))
            parts.append(l_ab_to_rgb(part, ab))
    generator.train(was_training)
    return torch.cat(parts)


def evaluate(rgb: Tensor, images: HeldOut, config: TrainConfig) -> dict[str, float]:
    """Measure colorized images, all of them in sRGB as they are shown.

    Args:
        rgb: (n, 3, H, W) in [0, 1], the held-out images as colorized.
        images: the held-out images.
        config: its controls are what was wanted.

    Returns:
        ``images``, ``pictures``: how many there are, and how many pictures they are crops of.

        Means over the images, beside their originals:
        ``mae``: mean absolute difference of RGB, in [0, 1];
        ``psnr`` (dB), ``ssim``, ``ciede2000``, ``accuracy_2``, ``accuracy_5`` (shares): see
        ``gan.metrics``.

        Of the colorized images alone:
        ``hue_resultant``: mean of the resultant length of the hue;
        ``<statistic>``: mean of every statistic, circular for hue.

        For each control:
        ``<statistic>_error``, ``<statistic>_error_p90``: mean and 90th percentile over the images
        of the distance of the statistic from the target;
        ``<statistic>_p10``, ``<statistic>_p90``: 10th and 90th percentile of the statistic over
        the images; of hue as seen from the target, so that they may lie outside [0, 1];
        ``<statistic>_reachable``: mean of the nearest value to the target that any colouring of
        that lightness can have;
        ``<statistic>_lowest``, ``<statistic>_highest``: mean of the least and the greatest value
        that any colouring of that lightness can have; not of hue, which is a circle;
        ``<statistic>_reachable_error``, ``<statistic>_reachable_error_p90``: mean and 90th
        percentile of the distance from each image's own nearest value.

        For every other statistic:
        ``<statistic>_crosstalk``: mean distance from the original's statistic: what steering did
        to what was not asked for. A trial without control has it too, as the floor.

        Statistics and their distances are in the statistic's own unit.
    """
    measured = _measure(rgb, images)
    result = {name: values.mean().item() for name, values in measured.items()}
    result |= {"images": float(len(rgb)), "pictures": float(images.pictures)}
    for name, statistic in STATISTICS.items():
        values = measured[name]
        result[name] = statistic.average(values)
        if control := config.controls.get(name):
            reachable = images.reachable(name, control.target)
            result[f"{name}_reachable"] = statistic.average(reachable)
            result |= {f"{name}_{key}": v for key, v in _spread(values, control, statistic)}
            if not statistic.circular:
                for key, end in zip(("lowest", "highest"), TARGETS[name], strict=True):
                    result[f"{name}_{key}"] = statistic.average(images.reachable(name, end))
            for key, wanted in (("error", control.target), ("reachable_error", reachable)):
                distance = statistic.distance(values, wanted)
                result[f"{name}_{key}"] = distance.mean().item()
                result[f"{name}_{key}_p90"] = distance.quantile(0.9).item()
        else:
            distance = statistic.distance(values, images.statistics[name])
            result[f"{name}_crosstalk"] = distance.mean().item()
    return result


def _spread(values: Tensor, control: Control, statistic: Statistic) -> Iterator[tuple[str, float]]:
    offset = statistic.difference(values, control.target)
    for percent in (10, 90):
        yield f"p{percent}", control.target + offset.quantile(percent / 100).item()


def _measure(rgb: Tensor, images: HeldOut) -> dict[str, Tensor]:
    """Every number that is measured of each image by itself: (n,) by name, on the CPU."""
    columns: dict[str, list[Tensor]] = {}
    size = _at_a_time(rgb)
    batches = (torch.split(x, size) for x in (rgb, images.rgb, images.l, images.ab))
    for made, real, *real_l_ab in zip(*batches, strict=True):
        lab, real_lab = _lab(*rgb_to_l_ab(made)), _lab(*real_l_ab)
        batch: dict[str, Tensor] = {
            "mae": (made - real).abs().mean(dim=(1, 2, 3)),
            "psnr": metrics.psnr(made, real),
            "ssim": metrics.ssim(made, real),
            "ciede2000": metrics.ciede2000(lab, real_lab),
            "accuracy_2": metrics.accuracy(lab, real_lab, 2),
            "accuracy_5": metrics.accuracy(lab, real_lab, 5),
            "hue_resultant": metrics.hue_resultant(made),
            **{name: statistic.measure(made) for name, statistic in STATISTICS.items()},
        }
        for name, values in batch.items():
            columns.setdefault(name, []).append(values)
    # One transfer: each one makes the GPU and the CPU wait for each other.
    table = torch.stack([torch.cat(values) for values in columns.values()]).cpu()
    return dict(zip(columns, table, strict=True))


def _at_a_time(images: Tensor) -> int:
    return max(1, _PIXELS_AT_A_TIME[images.device.type] // images[0, 0].numel())


def _lab(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
    """CIE L*, a*, b* from what the networks see: (N, 3, H, W)."""
    return torch.cat([(l + 1) * L_SCALE, ab * AB_SCALE], dim=1)


def sample_grid(rgb: Tensor, images: HeldOut, config: TrainConfig) -> bytes:
    """Draw grayscale, original and colorized over the grid's images, as a PNG (``samples``).

    With it, of each picture, what each control of the config achieved, what the original has, and
    the nearest value that its lightness permits.
    """
    chosen = images.columns
    grey = l_ab_to_rgb(images.l[chosen], torch.zeros_like(rgb[chosen, :2]))
    rows = torch.stack([grey, images.rgb[chosen], rgb[chosen]])
    numbers = {
        name: samples.Numbers(
            STATISTICS[name].measure(rgb[chosen]).tolist(),
            images.statistics[name][chosen].tolist(),
            images.reachable(name, control.target)[chosen].tolist(),
        )
        for name, control in config.controls.items()
    }
    return samples.draw((rows * 255).round().byte().permute(0, 1, 3, 4, 2).cpu().numpy(), numbers)
