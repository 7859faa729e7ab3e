"""Metrics of a set of colorized images, relative to their targets and their originals."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gan.colour.conversion import AB_SCALE, L_SCALE, rgb_to_l_ab
from gan.colour.statistic import Statistic
from gan.colour.statistics import STATISTICS
from gan.colour.statistics.hue import hue_resultant
from gan.control import TARGET_RANGES, ControlName
from gan.evaluation import metrics
from gan.evaluation.held_out import HeldOut, at_a_time
from gan.evaluation.naturalness import interval


def measures(
    rgb: Tensor,
    images: HeldOut,
    targets: Mapping[ControlName, float],
    *,
    intervals: bool = False,
) -> dict[str, float]:
    """Measure colorized images in sRGB, as they are shown.

    Args:
        rgb: (n, 3, H, W) in [0, 1], the colorized held-out images.
        images: the held-out images.
        targets: target values by name.
        intervals: whether to measure the intervals of errors, too.

    Returns:
        ``images``, ``pictures``: numbers of images, and of photographs they are crops of.

        Means over the images, compared with their originals:
        ``mae``: mean absolute difference of RGB, in [0, 1];
        ``psnr`` (dB), ``ssim``, ``ciede2000``, ``accuracy_2``, ``accuracy_5`` (shares): see
        ``gan.evaluation.metrics``.

        For the colorized images alone:
        ``hue_resultant``: mean resultant length of the hue;
        ``<statistic>``: mean of every statistic, circular for hue.

        For each target:
        ``<statistic>_error``, ``<statistic>_error_p90``: mean and 90th percentile over the images
        of the distance of the statistic from the target;
        ``<statistic>_error_low``, ``<statistic>_error_high``: the 95 % interval of that mean, by
        bootstrap over photographs; only with ``intervals``, and for at least two photographs;
        ``<statistic>_p10``, ``<statistic>_p90``: 10th and 90th percentile of the statistic over
        the images; for hue, relative to the target, so that they may lie outside [0, 1];
        ``<statistic>_reachable``: mean of the nearest value to the target that any colouring of
        the same lightness can have;
        ``<statistic>_lowest``, ``<statistic>_highest``: mean of the least and the greatest value
        that any colouring of the same lightness can have; not for hue, which is circular;
        ``<statistic>_reachable_error``, ``<statistic>_reachable_error_p90``: mean and 90th
        percentile of the distance from each image's own reachable value.

        For every other statistic:
        ``<statistic>_crosstalk``: mean distance from the original's statistic, the side effect of
        steering. Its value in a trial without control is the floor.

        Values and distances are in the statistic's own unit.
    """
    measured = _measure(rgb, images)
    result = {name: values.mean().item() for name, values in measured.items()}
    result |= {"images": float(len(rgb)), "pictures": float(images.photographs)}
    for name, statistic in STATISTICS.items():
        values = measured[name]
        result[name] = statistic.average(values)
        if (target := targets.get(name)) is not None:
            reachable = images.reachable(name, target)
            result[f"{name}_reachable"] = statistic.average(reachable)
            result |= {f"{name}_{key}": v for key, v in _spread(values, target, statistic)}
            if not statistic.circular:
                for key, end in zip(("lowest", "highest"), TARGET_RANGES[name], strict=True):
                    result[f"{name}_{key}"] = statistic.average(images.reachable(name, end))
            for key, wanted in (("error", target), ("reachable_error", reachable)):
                distance = statistic.distance(values, wanted)
                result[f"{name}_{key}"] = distance.mean().item()
                result[f"{name}_{key}_p90"] = distance.quantile(0.9).item()
                if key == "error" and intervals and images.photographs > 1:
                    low, high = interval(distance, images.photograph)
                    result |= {f"{name}_error_low": low, f"{name}_error_high": high}
        else:
            distance = statistic.distance(values, images.statistics[name])
            result[f"{name}_crosstalk"] = distance.mean().item()
    return result


def _spread(values: Tensor, target: float, statistic: Statistic) -> Iterator[tuple[str, float]]:
    offset = statistic.difference(values, target)
    for percent in (10, 90):
        yield f"p{percent}", target + offset.quantile(percent / 100).item()


def _measure(rgb: Tensor, images: HeldOut) -> dict[str, Tensor]:
    """Return all metrics of single images: (n,) by name, on the CPU."""
    columns: dict[str, list[Tensor]] = {}
    size = at_a_time(rgb)
    batches = (torch.split(x, size) for x in (rgb, images.rgb, images.l, images.ab))
    for made, real, *real_l_ab in zip(*batches, strict=True):
        lab, real_lab = cie_lab(*rgb_to_l_ab(made)), cie_lab(*real_l_ab)
        batch: dict[str, Tensor] = {
            "mae": (made - real).abs().mean(dim=(1, 2, 3)),
            "psnr": metrics.psnr(made, real),
            "ssim": metrics.ssim(made, real),
            "ciede2000": metrics.ciede2000(lab, real_lab),
            "accuracy_2": metrics.accuracy(lab, real_lab, 2),
            "accuracy_5": metrics.accuracy(lab, real_lab, 5),
            "hue_resultant": hue_resultant(made),
            **{name: statistic.measure(made) for name, statistic in STATISTICS.items()},
        }
        for name, values in batch.items():
            columns.setdefault(name, []).append(values)
    # A single transfer, because each transfer synchronises the GPU and the CPU.
    table = torch.stack([torch.cat(values) for values in columns.values()]).cpu()
    return dict(zip(columns, table, strict=True))


def cie_lab(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
    """Convert scaled lightness and colour to CIE L*, a*, b*: (N, 3, H, W)."""
    return torch.cat([(l + 1) * L_SCALE, ab * AB_SCALE], dim=1)
