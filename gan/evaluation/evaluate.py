"""A generator at all of its targets, on held-out images: in numbers and in pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from gan.colour.statistics import STATISTICS, of_each
from gan.config import TrainConfig
from gan.control import ControlName
from gan.evaluation import samples
from gan.evaluation.fid import fid
from gan.evaluation.held_out import HeldOut, in_parts
from gan.evaluation.measures import measures
from gan.evaluation.metric_names import EXACT_PREFIX, label_of
from gan.evaluation.reference import Natural, Reference, moved, naturalness, shown
from gan.model.networks import UNetGenerator


def generated(generator: UNetGenerator, l: Tensor, targets: Mapping[ControlName, float]) -> Tensor:  # noqa: E741
    """Colour images with a generator in inference mode: batch statistics frozen, no dropout.

    Args:
        generator: of a trial.
        l: (n, 1, H, W), scaled lightness in [-1, 1].
        targets: values by name, the same for all images; those that it is not given are ignored.

    Returns:
        (n, 2, H, W), ab scaled to [-1, 1].
    """
    was_training = generator.training
    generator.eval()
    with torch.inference_mode():
        ab = in_parts(
            lambda l: generator(  # noqa: E741
                l.contiguous(memory_format=torch.channels_last), of_each(targets, l)
            ),
            l,
        )
    generator.train(was_training)
    return ab


@dataclass
class Evaluation:
    """What was measured, and the rows of the sample grid."""

    metrics: dict[str, float] = field(default_factory=dict)
    rows: list[samples.Row] = field(default_factory=list)
    pictures: list[Tensor] = field(default_factory=list)
    """(columns, 3, H, W) for each row."""

    def show(
        self,
        kind: samples.Kind,
        rgb: Tensor,
        images: HeldOut,
        targets: Mapping[ControlName, float],
        label: str = "",
    ) -> None:
        """Add a row of the sample grid."""
        chosen = images.columns
        numbers = {
            name: samples.Numbers(
                STATISTICS[name].measure(rgb[chosen]).tolist(),
                images.statistics[name][chosen].tolist(),
                images.reachable(name, target)[chosen].tolist(),
            )
            for name, target in targets.items()
        }
        self.rows.append(samples.Row(kind, label, numbers))
        self.pictures.append(rgb[chosen])

    def grid(self) -> bytes:
        """Draw the sample grid as a PNG (``samples``)."""
        pictures = (torch.stack(self.pictures) * 255).round().byte().permute(0, 1, 3, 4, 2)
        return samples.draw(pictures.cpu().numpy(), self.rows)


def evaluate(
    generator: UNetGenerator,
    images: HeldOut,
    config: TrainConfig,
    natural: Natural | None = None,
    before_target: Callable[[int, int], None] = lambda done, count: None,
) -> Evaluation:
    """Measure a generator at all of its targets, and draw what it makes of a few images.

    Args:
        generator: of the config's trial.
        images: the held-out images.
        config: of the trial.
        natural: photographs among which are those that have a target's value by themselves. With
            them everything is measured: outputs as they are and after exact
            control, and how natural they are. Without, outputs as they are, and of targets that
            are ``any`` the first, the middle and the last alone.
        before_target: called before each target, which may take half a minute, with how many are
            done, and of how many. What it raises ends the evaluation.

    Returns:
        Metrics as ``measures`` and ``naturalness`` name them. Of outputs after exact control the
        names begin with ``exact/``; those of a trial whose targets are ``any`` with the targets'
        label before it (``saturation 0.25/exact/kid``), and the same without a label is the mean
        over the first, the middle and the last: those that every evaluation measures.
    """
    found = Evaluation()
    found.show("grayscale", shown(images.l, torch.zeros_like(images.ab)), images, {})
    found.show("original", images.rgb, images, {})
    every = config.measured_targets() or [{}]
    always = [every[i] for i in sorted({0, len(every) // 2, len(every) - 1})]
    if natural is None:
        every = always
    made: Tensor | None = None
    for done, targets in enumerate(every):
        before_target(done, len(every))
        label = label_of(targets) if config.any_controls else ""
        if made is None or generator.conditions:  # without a target as input it is always the same
            made = generated(generator, images.l, targets)
        measured = _at_targets(found, made, images, config, targets, label, natural)
        found.metrics |= {f"{label}/{k}" if label else k: v for k, v in measured.items()}
    if config.any_controls:
        found.metrics |= _means(found.metrics, [label_of(targets) for targets in always])
    return found


def _at_targets(
    found: Evaluation,
    ab: Tensor,
    images: HeldOut,
    config: TrainConfig,
    targets: Mapping[ControlName, float],
    label: str,
    natural: Natural | None,
) -> dict[str, float]:
    if config.recolour:
        ab = moved(images.l, ab, targets)
    ways = {"": ab}
    if natural is not None and targets and not config.recolour:
        ways[EXACT_PREFIX] = moved(images.l, ab, targets)
    result: dict[str, float] = {}
    reference = None if natural is None else Reference.of(images, targets, natural)
    if reference is not None:
        result |= reference.metrics
        if targets:
            found.show("fitted", reference.rgb, images, targets, label)
    for prefix, colours in ways.items():
        rgb = shown(images.l, colours)
        numbers = measures(rgb, images, targets)
        if reference is not None:
            numbers |= naturalness(rgb, images, reference)
            if not prefix and not label and (distance := fid(rgb, images.rgb, rgb.device)):
                numbers["fid"] = distance
        result |= {prefix + name: value for name, value in numbers.items()}
        found.show("exact" if prefix else "colorized", rgb, images, targets, label)
    return result


def _means(metrics: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Mean over some targets of what is a distance or a quality at each of them."""
    first = f"{labels[0]}/"
    names = [name.removeprefix(first) for name in metrics if name.startswith(first)]
    return {
        name: fmean(metrics[f"{label}/{name}"] for label in labels)
        for name in names
        if not _is_value(name.removeprefix(EXACT_PREFIX))
        and all(f"{label}/{name}" in metrics for label in labels)
    }


def _is_value(name: str) -> bool:
    """Whether a metric is a value of a statistic, whose mean over targets says nothing."""
    ends = ("", "_p10", "_p90", "_reachable", "_lowest", "_highest")
    return any(name == statistic + end for statistic in STATISTICS for end in ends)
