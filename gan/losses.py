"""What each network minimises; every term is a mean, as in the seed's equations."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from gan.config import Control, ControlName
from gan.controls import STATISTICS


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
    """What the generator minimises against the discriminator (Goodfellow 2016, arXiv 1701.00160).

    Args:
        fake: logits of generated images.
        kind: ``non_saturating``, the heuristic cost -log D(G(x)|x), or ``minimax``,
            log(1 - D(G(x)|x)).
    """
    if kind == "minimax":
        return -binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    return binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def colour_loss(ab: Tensor, wanted: Tensor) -> Tensor:
    """||G(x) - y||_1 as a mean over scaled ab; L is given, so it has no share in it."""
    return l1_loss(ab.float(), wanted)


def control_losses(rgb: Tensor, controls: Mapping[ControlName, Control]) -> dict[str, Tensor]:
    """lambda * |value - sigma| / span of each control, for each image, averaged over the batch.

    Args:
        rgb: (N, 3, H, W), generated images in [0, 1].
        controls: target and weight by name; one of weight 0 gives no term.
    """
    losses: dict[str, Tensor] = {}
    for name, control in controls.items():
        if control.weight > 0:
            statistic = STATISTICS[name]
            error = statistic.distance(statistic.measure(rgb), control.target)
            losses[name] = control.weight / statistic.span * error.mean()
    return losses
