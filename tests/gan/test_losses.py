import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.model.networks import Judgement
from gan.training.batch import Batch
from gan.training.losses import Update, adversarial_loss, discriminator_loss, losses, terms
from tests.support.loss_terms import NO_DRAWS, penalties

REAL = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
FAKE = torch.tensor([[-2.0, 0.25], [1.5, -0.5]])


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def cross_entropy(logits: Tensor, label: float) -> float:
    """Mean of -[y log p + (1 - y) log(1 - p)]."""
    terms = [
        -label * math.log(sigmoid(x)) - (1 - label) * math.log(1 - sigmoid(x))
        for x in logits.flatten().tolist()
    ]
    return sum(terms) / len(terms)


def picture(*colours: tuple[float, float, float]) -> Tensor:
    """One picture, a row of pixels."""
    return torch.tensor(colours, dtype=torch.float32).T.reshape(1, 3, 1, -1)


def test_the_discriminator_wants_1_for_real_and_0_for_generated() -> None:
    wanted = cross_entropy(REAL, 1) + cross_entropy(FAKE, 0)
    assert discriminator_loss(REAL, FAKE, 0).item() == pytest.approx(wanted)


def test_smoothing_moves_the_label_of_real_images_only() -> None:
    wanted = cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0)
    assert discriminator_loss(REAL, FAKE, 0.1).item() == pytest.approx(wanted)


def test_the_generator_wants_its_images_taken_for_real() -> None:
    loss = adversarial_loss(FAKE, "non_saturating").item()
    assert loss == pytest.approx(cross_entropy(FAKE, 1))


def test_in_the_minimax_game_the_generator_gains_what_the_discriminator_loses() -> None:
    assert adversarial_loss(FAKE, "minimax").item() == pytest.approx(-cross_entropy(FAKE, 0))


@pytest.mark.parametrize("logit", [-1000.0, 1000.0])
def test_losses_of_the_surest_judgement_are_finite_and_still_teach(logit: float) -> None:
    sure = torch.full((2, 2), logit, requires_grad=True)
    loss = discriminator_loss(sure, sure, 0.1) + adversarial_loss(sure, "non_saturating")
    (grad,) = torch.autograd.grad(loss, sure)
    assert torch.isfinite(loss)
    assert grad.abs().max() > 0


def test_the_l1_term_is_the_weighted_mean_difference_of_ab() -> None:
    ab = torch.tensor([0.5, -0.25, 0.0, 1.0]).reshape(1, 2, 1, 2)
    real = torch.tensor([0.25, 0.25, 0.5, 1.0]).reshape(1, 2, 1, 2)
    batch = Batch(ab[:, :1], real, torch.zeros(1, 3, 1, 2), {}, real)
    table = terms(TrainConfig(steps=1, l1_weight=10, distribution_weight=0))
    made = losses(table, "generator", Update(batch, NO_DRAWS, ab, fake=Judgement(FAKE)))
    assert list(made) == ["adversarial", "l1"]
    assert made["l1"].item() == pytest.approx(10 * (0.25 + 0.5 + 0.5 + 0) / 4)


def test_a_control_costs_its_weight_times_the_error_of_each_pictures_mean() -> None:
    # Means of red are 0.2 and 0.7: from 0.5 they are 0.3 and 0.2 off, though on average 0.05.
    rgb = torch.cat([picture((0.1, 0, 0), (0.3, 0, 0)), picture((0.6, 0, 0), (0.8, 1, 1))])
    made = penalties(rgb, {"red": Control(target=0.5, weight=10)})
    assert made.keys() == {"red"}
    assert made["red"].item() == pytest.approx(10 * (0.3 + 0.2) / 2)


def test_the_error_is_that_of_the_mean_not_the_mean_of_the_pixels_errors() -> None:
    # The original's code had the second; a picture of black and white pixels may have mean 0.5.
    rgb = picture((0, 0, 0), (1, 1, 1))
    made = penalties(rgb, {"green": Control(target=0.5, weight=10)})
    assert made["green"].item() == pytest.approx(0)


def test_hue_costs_the_way_around_the_circle() -> None:
    # Magenta is 5/6 of a turn: 1/6 + 0.1 from 0.1, across red.
    made = penalties(picture((1, 0, 1)), {"hue": Control(target=0.1, weight=3)})
    assert made["hue"].item() == pytest.approx(3 * (1 / 6 + 0.1))


def test_several_controls_cost_what_each_does_alone() -> None:
    rgb = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    controls: dict[ControlName, Control] = {
        "saturation": Control(target=0.25, weight=5),
        "hue": Control(target=0.6, weight=7),
        "blue": Control(target=0.9, weight=11),
    }
    together = penalties(rgb, controls)
    assert together.keys() == controls.keys()
    for name, control in controls.items():
        alone = penalties(rgb, {name: control})[name]
        assert alone > 0
        assert together[name].item() == alone.item()


def test_weight_0_gives_no_term() -> None:
    controls: dict[ControlName, Control] = {
        "hue": Control(target=0.6, weight=0),
        "red": Control(target=0.6, weight=1),
    }
    assert penalties(torch.full((1, 3, 4, 4), 0.5), controls).keys() == {"red"}


def test_differences_are_counted_in_parts_of_the_range_of_targets() -> None:
    rgb = picture((0.9, 0.2, 0.1), (0.2, 0.4, 0.4))
    lab = rgb2lab(rgb[0].permute(1, 2, 0).numpy())
    chroma = np.hypot(lab[..., 1], lab[..., 2]).mean()
    made = penalties(rgb, {"chroma": Control(target=10, weight=5)})
    assert made["chroma"].item() == pytest.approx(5 * (chroma - 10) / 134, rel=1e-3)
