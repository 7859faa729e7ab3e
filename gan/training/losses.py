"""Losses of both networks as one table of terms; every term is a mean over a batch.

To add a term, write its function of an ``Update``, its line in ``terms`` and its weight in
``config``. The step, the plain loop, logging and the health check then include it.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.control import ControlName
from gan.model.conditioning import coordinates, reading_of
from gan.model.networks import Judgement, steered_by_discriminator
from gan.training.batch import Batch, Draws
from gan.training.distribution import distribution_distance

Network = Literal["generator", "discriminator"]

LOGIT_LIMIT = 1e4
"""Mean adversarial loss, on the scale of the logits, that counts as exploded; 10 is certainty."""
COLOUR_LIMIT = 0.9
"""Mean L1 of ab that counts as exploded: tanh is saturated; 0.1 is usual."""
LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True, eq=False)
class Update:
    """Batch with the outputs of both networks: everything that a loss may depend on."""

    batch: Batch
    draws: Draws
    ab: Tensor
    """(N, 2, H, W) float32, generated."""
    fake: Judgement
    """Discriminator's judgement of the generated colours."""
    real: Judgement | None = None
    """Discriminator's judgement of the real colours; None in an update of the generator."""

    @cached_property
    def rgb(self) -> Tensor:
        """Generated pictures as shown: (N, 3, H, W), sRGB in [0, 1]."""
        return l_ab_to_rgb(self.batch.l, self.ab)


@dataclass(frozen=True)
class Term:
    """Summand of a network's loss: ``weight * function(update)``."""

    name: str
    """Name below ``loss/`` in the metrics."""
    network: Network
    weight: float
    function: Callable[[Update], Tensor]
    limit: float = LARGEST
    """Absolute value of the weighted term beyond which the training has exploded."""
    judged: bool = False
    """Whether the term depends on the discriminator's judgement."""
    from_step: float = 0.0
    """Share of the training's length after which the term acts."""

    def first_step(self, total_steps: int) -> int:
        """Return the number of the first update in which the term acts."""
        exactly = round(self.from_step * total_steps, 6)
        return min(math.ceil(exactly), total_steps - 1)


def terms(config: TrainConfig) -> tuple[Term, ...]:
    """List the terms of a config's losses in summation order."""
    found = [
        Term(
            "discriminator",
            "discriminator",
            1.0,
            lambda update: discriminator_loss(
                _known(update.real).logits, update.fake.logits, config.label_smoothing
            ),
            LOGIT_LIMIT,
            judged=True,
        ),
        Term(
            "adversarial",
            "generator",
            1.0,
            lambda update: adversarial_loss(update.fake.logits, config.generator_loss),
            LOGIT_LIMIT,
            judged=True,
        ),
        Term(
            "l1",
            "generator",
            config.l1_weight,
            lambda update: l1_loss(update.ab, wanted_by_l1(update.batch, config)),
            COLOUR_LIMIT * config.l1_weight or LARGEST,
        ),
    ]
    if config.distribution_weight > 0:
        of_colours = partial(_distribution, config)
        found.append(Term("distribution", "generator", config.distribution_weight, of_colours))
    for name in config.controls:
        found += _penalties(config, name)
    return tuple(found)


def _penalties(config: TrainConfig, name: ControlName) -> list[Term]:
    """Return the terms for a statistic's target: as measured, and as read by the discriminator."""
    control = config.controls[name]
    found: list[Term] = []
    if control.weight == 0:
        return found
    if config.penalty_on != "discriminator":
        weight, penalty = control.weight / STATISTICS[name].span, partial(_penalty, name)
        found.append(Term(name, "generator", weight, penalty, from_step=config.penalty_from_step))
    if config.penalty_on != "generator":
        # The span is 2: coordinates range from -1 to 1.
        weight, penalty = control.weight / 2, partial(_read_penalty, config, name)
        found += [
            Term(
                f"{name}_read", "discriminator", 1.0, partial(_reading, config, name), judged=True
            ),
            Term(
                f"{name}_as_read",
                "generator",
                weight,
                penalty,
                judged=True,
                from_step=config.penalty_from_step,
            ),
        ]
    return found


def real_ab(batch: Batch, config: TrainConfig) -> Tensor:
    """Return the colours that the discriminator is given as real: (N, 2, H, W)."""
    return batch.fitted_ab if config.fit in ("discriminator", "both") else batch.ab


def wanted_by_l1(batch: Batch, config: TrainConfig) -> Tensor:
    """Return the colours that L1 compares the outputs with: (N, 2, H, W)."""
    return batch.fitted_ab if config.fit in ("l1", "both") else batch.ab


def losses(table: Iterable[Term], network: Network, update: Update) -> dict[str, Tensor]:
    """Return the weighted terms of a network by name."""
    return {
        term.name: term.weight * term.function(update) for term in table if term.network == network
    }


def discriminator_loss(real: Tensor, fake: Tensor, label_smoothing: float) -> Tensor:
    """Return -[log D(y|x) + log(1 - D(G(x)|x))], with the real label at 1 - label_smoothing.

    Smoothing is one-sided: on generated images it would reward the generator's mistakes
    (Salimans et al. 2016, arXiv 1606.03498).

    Args:
        real: logits of real images, of any shape.
        fake: logits of generated images.
        label_smoothing: in [0, 1).
    """
    wanted = torch.full_like(real, 1 - label_smoothing)
    on_real = binary_cross_entropy_with_logits(real, wanted)
    return on_real + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def adversarial_loss(fake: Tensor, kind: str) -> Tensor:
    """Return the generator's loss against the discriminator (Goodfellow 2016, arXiv 1701.00160).

    Args:
        fake: logits of generated images.
        kind: ``non_saturating``, the heuristic cost -log D(G(x)|x), or ``minimax``,
            log(1 - D(G(x)|x)).
    """
    if kind == "minimax":
        return -binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def control_error(rgb: Tensor, name: ControlName, targets: Tensor) -> Tensor:
    """Return the mean |value - target| in the statistic's unit, around the circle for hue.

    Args:
        rgb: (N, 3, H, W), generated pictures in [0, 1].
        name: name of the statistic.
        targets: (N,), the target of each picture.
    """
    statistic = STATISTICS[name]
    return statistic.distance(statistic.measure(rgb), targets).mean()


def _penalty(name: ControlName, update: Update) -> Tensor:
    return control_error(update.rgb, name, update.batch.targets[name])


def _distribution(config: TrainConfig, update: Update) -> Tensor:
    return distribution_distance(
        update.batch.l,
        update.ab,
        real_ab(update.batch, config),
        config.distribution_scales,
        update.draws.directions,
        update.draws.pixels,
    )


def _reading(config: TrainConfig, name: ControlName, update: Update) -> Tensor:
    """Return the error of the discriminator's reading of real pictures."""
    rgb = l_ab_to_rgb(update.batch.l, real_ab(update.batch, config))
    return _misread(config, name, _known(update.real), STATISTICS[name].measure(rgb))


def _read_penalty(config: TrainConfig, name: ControlName, update: Update) -> Tensor:
    return _misread(config, name, update.fake, update.batch.targets[name])


def _misread(
    config: TrainConfig, name: ControlName, judgement: Judgement, values: Tensor
) -> Tensor:
    """Return the mean distance between the coordinates read and those of the values."""
    assert judgement.read is not None, "the discriminator has a reader for it"
    read = reading_of(judgement.read, name, steered_by_discriminator(config))
    wanted = coordinates({name: values}, {name: config.controls[name]})
    return (read - wanted).abs().mean()


def _known(judgement: Judgement | None) -> Judgement:
    assert judgement is not None, "the discriminator's update judges real colours too"
    return judgement
