"""Evaluation of a generator at all of its targets on held-out images, in numbers and pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from gan.colour.statistic import of_each
from gan.colour.statistics import STATISTICS
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
    """Colour images with a generator in inference mode: frozen batch statistics, no dropout.

    Args:
        generator: generator of a trial.
        l: (n, 1, H, W), scaled lightness in [-1, 1].
        targets: values by name, the same for all images; only the generator's inputs are used.

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
    """Metrics of an evaluation, and the rows of its sample grid."""

    metrics: dict[str, float] = field(default_factory=dict)
    rows: list[samples.SampleRow] = field(default_factory=list)
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
        """Add a row to the sample grid."""
        chosen = images.columns
        numbers = {
            name: samples.Numbers(
                STATISTICS[name].measure(rgb[chosen]).tolist(),
                images.statistics[name][chosen].tolist(),
                images.reachable(name, target)[chosen].tolist(),
            )
            for name, target in targets.items()
        }
        self.rows.append(samples.SampleRow(kind, label, numbers))
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
    """Measure a generator at all of its targets, and draw its colorizations of a few images.

    Args:
        generator: generator of the config's trial.
        images: the held-out images.
        config: config of the trial.
        natural: photographs, some of which have a target's value by themselves. If given,
            everything is measured: outputs as such and after exact control, and their naturalness.
            Otherwise only outputs as such are measured, and for targets that are ``any`` only the
            first, the middle and the last.
        before_target: called before each target, which may take half a minute, with the number of
            targets done and their total number. An exception from it ends the evaluation.

    Returns:
        Evaluation with metrics named as in ``measures`` and ``naturalness``. Names for outputs
        after exact control begin with ``exact/``. If targets are ``any``, their label comes first
        (``saturation 0.25/exact/kid``), and names without a label are means over the first, the
        middle and the last target, which every evaluation measures.
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
        if made is None or generator.conditions:  # without target inputs, outputs never change
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
        numbers = measures(rgb, images, targets, intervals=reference is not None)
        if reference is not None:
            numbers |= naturalness(rgb, images, reference)
            if not prefix and not label and (distance := fid(rgb, images.rgb, rgb.device)):
                numbers["fid"] = distance
        result |= {prefix + name: value for name, value in numbers.items()}
        found.show("exact" if prefix else "colorized", rgb, images, targets, label)
    return result


def _means(metrics: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Return the mean over some targets of each metric that is a distance or a quality."""
    first = f"{labels[0]}/"
    names = [name.removeprefix(first) for name in metrics if name.startswith(first)]
    return {
        name: fmean(metrics[f"{label}/{name}"] for label in labels)
        for name in names
        if not _is_value(name.removeprefix(EXACT_PREFIX))
        and all(f"{label}/{name}" in metrics for label in labels)
    }


def _is_value(name: str) -> bool:
    """Whether a metric is a value of a statistic, whose mean over targets is meaningless."""
    ends = ("", "_p10", "_p90", "_reachable", "_lowest", "_highest")
    return any(name == statistic + end for statistic in STATISTICS for end in ends)
