"""The losses of both networks, as one table of terms; every term is a mean over a batch.

To add one, write its function of an ``Update`` and its line in ``terms``, and its weight in
``config``: the step, the plain loop, logging and the health check follow.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from gan.batch import Batch
from gan.color import l_ab_to_rgb
from gan.config import ControlName, TrainConfig
from gan.controls import STATISTICS

Network = Literal["generator", "discriminator"]

LOGIT_LIMIT = 1e4
"""A mean adversarial loss beyond it has exploded: the logits' own size, where 10 is certainty."""
COLOUR_LIMIT = 0.9
"""A mean L1 of ab beyond it has exploded: tanh is at its ends, where 0.1 is usual."""
LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True, eq=False)
class Update:
    """A batch with what both networks make of it: all that a loss may depend on."""

    batch: Batch
    ab: Tensor
    """(N, 2, H, W) float32, generated."""
    fake_logits: Tensor
    """The discriminator's, float32, of the generated colours."""
    real_logits: Tensor | None = None
    """Of the real colours; None in an update of the generator."""

    @cached_property
    def rgb(self) -> Tensor:
        """The generated pictures as shown: (N, 3, H, W), sRGB in [0, 1]."""
        return l_ab_to_rgb(self.batch.l, self.ab)


@dataclass(frozen=True)
class Term:
    """One summand of a network's loss: ``weight * function(update)``."""

    name: str
    """Under ``loss/`` in the metrics."""
    network: Network
    weight: float
    function: Callable[[Update], Tensor]
    limit: float = LARGEST
    """Size of the weighted term beyond which the training has exploded."""
    of_logits: bool = False
    """Whether it depends on the discriminator's judgement."""


def terms(config: TrainConfig) -> tuple[Term, ...]:
    """List the terms of a config's losses, in the order in which they are summed."""
    found = [
        Term(
            "discriminator",
            "discriminator",
            1.0,
            lambda update: discriminator_loss(
                _known(update.real_logits), update.fake_logits, config.label_smoothing
            ),
            LOGIT_LIMIT,
            of_logits=True,
        ),
        Term(
            "adversarial",
            "generator",
            1.0,
            lambda update: adversarial_loss(update.fake_logits, config.generator_loss),
            LOGIT_LIMIT,
            of_logits=True,
        ),
        Term(
            "l1",
            "generator",
            config.l1_weight,
            lambda update: l1_loss(update.ab, update.batch.ab),
            COLOUR_LIMIT * config.l1_weight or LARGEST,
        ),
    ]
    for name, control in config.controls.items():
        if control.weight > 0:
            weight = control.weight / STATISTICS[name].span
            found.append(Term(name, "generator", weight, partial(_control, name)))
    return tuple(found)


def losses(table: Iterable[Term], network: Network, update: Update) -> dict[str, Tensor]:
    """Evaluate the terms of a network, each with its weight, by name."""
    return {
        term.name: term.weight * term.function(update) for term in table if term.network == network
    }


def discriminator_loss(real: Tensor, fake: Tensor, label_smoothing: float) -> Tensor:
    """-[log D(y|x) + log(1 - D(G(x)|x))], with the real label at 1 - label_smoothing.

    One-sided: smoothing the label of generated images would reward the generator's mistakes
    (Salimans et al. 2016, arXiv 1606.03498).

    Args:
        real: logits of any shape, of real images.
        fake: logits of generated images.
        label_smoothing: in [0, 1).
    """
    wanted = torch.full_like(real, 1 - label_smoothing)
    on_real = binary_cross_entropy_with_logits(real, wanted)
    return on_real + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def adversarial_loss(fake: Tensor, kind: str) -> Tensor:
    """The generator's loss against the discriminator (Goodfellow 2016, arXiv 1701.00160).

    Args:
        fake: logits of generated images.
        kind: ``non_saturating``, the heuristic cost -log D(G(x)|x), or ``minimax``,
            log(1 - D(G(x)|x)).
    """
    if kind == "minimax":
        return -binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def control_error(rgb: Tensor, name: ControlName, targets: Tensor) -> Tensor:
    """Mean over a batch of |value - target|, around the circle for hue, in the statistic's unit.

    Args:
        rgb: (N, 3, H, W), generated pictures in [0, 1].
        name: of the statistic.
        targets: (N,), of each picture.
    """
    statistic = STATISTICS[name]
    return statistic.distance(statistic.measure(rgb), targets).mean()


def _control(name: ControlName, update: Update) -> Tensor:
    return control_error(update.rgb, name, update.batch.targets[name])


def _known(logits: Tensor | None) -> Tensor:
    assert logits is not None, "the discriminator's update judges real colours too"
    return logits
