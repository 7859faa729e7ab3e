"""The table of loss terms: what each sees, when it acts, what is logged of it."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.control import PENALTY_WEIGHT
from gan.model.networks import Judgement
from gan.training import session
from gan.training.batch import Batch, Draws
from gan.training.losses import Term, Update, terms
from gan.training.trainer import Trainer
from tests.support import factories
from tests.support.trainings import Start, everything, series

Array = NDArray[np.float64]
FIXED: dict[str, Any] = {"saturation": {"target": 0.3}}
TWO: dict[str, Any] = {"hue": {"target": "any"}, "saturation": {"target": 0.3, "weight": 20}}


config = partial(factories.config, steps=100, batch_size=8, controls=FIXED)


def table(of: TrainConfig) -> dict[str, Term]:
    return {term.name: term for term in terms(of)}


def colours(seed: int) -> Tensor:
    return torch.rand(8, 2, 16, 16, generator=torch.Generator().manual_seed(seed)) * 0.4 - 0.2


def update(of: TrainConfig, read: Tensor | None = None, real: Tensor | None = None) -> Update:
    """Of pictures whose real, fitted and generated colours all differ."""
    l = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5  # noqa: E741
    values = torch.linspace(0, 0.9, 8)
    batch = Batch(
        l,
        colours(1),
        l_ab_to_rgb(l, colours(1)),
        dict.fromkeys(of.controls, values),
        colours(2) + 0.3,
    )
    draws = Draws.of(of.model_copy(update={"image_size": 16}), 0)
    fake, true = (
        torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(n)) for n in (4, 5)
    )
    return Update(batch, draws, colours(3), Judgement(fake, read), Judgement(true, real))


def value(of: TrainConfig, name: str, **readings: Tensor) -> float:
    term = table(of)[name]
    return term.weight * term.function(update(of, **readings)).item()


# Each term, written out


def test_the_table_lists_a_trials_terms_in_order() -> None:
    assert list(table(config())) == [
        "discriminator",
        "adversarial",
        "l1",
        "distribution",
        "saturation",
    ]
    plain = config(distribution_weight=0, controls={})
    assert list(table(plain)) == ["discriminator", "adversarial", "l1"]
    both = table(config(penalty_on="both", controls=TWO))
    of_controls = [(t.name, t.network, t.judged) for t in both.values()][4:]
    assert of_controls == [
        ("hue", "generator", False),
        ("hue_read", "discriminator", True),
        ("hue_as_read", "generator", True),
        ("saturation", "generator", False),
        ("saturation_read", "discriminator", True),
        ("saturation_as_read", "generator", True),
    ]
    read = table(config(penalty_on="discriminator"))
    assert list(read)[4:] == ["saturation_read", "saturation_as_read"]


def test_what_depends_on_the_discriminator_is_marked() -> None:
    found = {name for name, term in table(config(penalty_on="both")).items() if term.judged}
    assert found == {"discriminator", "adversarial", "saturation_read", "saturation_as_read"}


@pytest.mark.parametrize(
    ("fit", "l1", "others"),
    [
        ("none", False, False),
        ("l1", True, False),
        ("discriminator", False, True),
        ("both", True, True),
    ],
)
def test_which_loss_sees_the_picture_moved_to_its_target(fit: str, l1: bool, others: bool) -> None:
    of = config(fit=fit, l1_weight=10, distribution_weight=7, distribution_scales=(1.0,))
    seen = update(of)
    fitted, own = seen.batch.fitted_ab, seen.batch.ab
    by_l1 = np.abs((seen.ab - (fitted if l1 else own)).double().numpy()).mean()
    assert value(of, "l1") == pytest.approx(10 * by_l1, rel=1e-5)

    def cloud(ab: Tensor) -> Array:
        whole = torch.cat([0.3 * seen.batch.l, ab], 1).double().mean(dim=(2, 3))
        return np.sort(whole.numpy() @ seen.draws.directions[0].double().numpy(), axis=0)

    apart = np.abs(cloud(seen.ab) - cloud(fitted if others else own)).mean()
    assert value(of, "distribution") == pytest.approx(7 * apart, rel=1e-4)


@pytest.mark.parametrize("fit", ["none", "l1", "discriminator", "both"])
def test_what_the_discriminator_is_shown_as_real(
    start: Start, monkeypatch: pytest.MonkeyPatch, fit: str
) -> None:
    of = start(controls=FIXED, fit=fit)
    shown: list[Tensor] = []
    forward = type(of.training.gan.discriminator).forward

    def noted(self: Any, l: Tensor, ab: Tensor, targets: Any = None) -> Judgement:  # noqa: E741
        shown.append(l_ab_to_rgb(l, ab.detach()))
        return forward(self, l, ab, targets)

    monkeypatch.setattr(type(of.training.gan.discriminator), "forward", noted)
    rgb = of.training.batches.at(0)
    of.training.train_step()
    real = shown[0]
    saturation = ((real.amax(1) - real.amin(1)) / real.amax(1).clamp(min=1e-3)).mean(dim=(1, 2))
    if fit in ("discriminator", "both"):
        assert (saturation - 0.3).abs().mean() < 0.005
    else:
        torch.testing.assert_close(real, rgb, atol=2e-3, rtol=0)


def test_a_penalty_is_of_each_pictures_own_target() -> None:
    of = config(controls={"saturation": {"target": "any", "weight": 30}})
    seen = update(of)
    rgb = seen.rgb.double().numpy()
    saturation = (np.ptp(rgb, axis=1) / rgb.max(axis=1).clip(1e-3)).mean(axis=(1, 2))
    wanted = 30 * np.abs(saturation - np.linspace(0, 0.9, 8)).mean()
    assert value(of, "saturation") == pytest.approx(wanted, rel=1e-4)


def test_the_discriminators_reading_is_held_to_what_real_pictures_have() -> None:
    of = config(controls=TWO, penalty_on="both", fit="none")
    random = torch.Generator().manual_seed(7)
    read, of_real = (torch.randn(8, 3, generator=random) for _ in range(2))
    seen = update(of)
    rgb = seen.batch.rgb.double().numpy()
    saturation = (np.ptp(rgb, axis=1) / rgb.max(axis=1).clip(1e-3)).mean(axis=(1, 2))
    pulls = np.einsum("nc,c->n", rgb.mean(axis=(2, 3)), np.exp(2j * np.pi * np.arange(3) / 3))
    real = of_real.double().numpy()
    # Hue first: a point of the circle; then saturation, from -1 to 1.
    unit = pulls / np.abs(pulls)
    by_hue = np.abs(real[:, :2] - np.stack([unit.real, unit.imag], axis=1)).mean()
    by_saturation = np.abs(real[:, 2] - (2 * saturation - 1)).mean()
    readings = {"read": read, "real": of_real}
    assert value(of, "hue_read", **readings) == pytest.approx(by_hue, rel=1e-3)
    assert value(of, "saturation_read", **readings) == pytest.approx(by_saturation, rel=1e-3)
    # And the generator to what is wanted of it, at half the weight: from -1 to 1 is 2.
    wanted = np.linspace(0, 0.9, 8)
    turns = 2 * np.pi * wanted
    made = read.double().numpy()
    by_hue = np.abs(made[:, :2] - np.stack([np.cos(turns), np.sin(turns)], axis=1)).mean()
    by_saturation = np.abs(made[:, 2] - (2 * wanted - 1)).mean()
    half = PENALTY_WEIGHT / 2
    assert value(of, "hue_as_read", **readings) == pytest.approx(half * by_hue, rel=1e-4)
    found = value(of, "saturation_as_read", **readings)
    assert found == pytest.approx(20 / 2 * by_saturation, rel=1e-4)


def test_the_reading_is_of_the_colours_that_are_shown_as_real() -> None:
    of_real = torch.zeros(8, 1)
    found = {
        fit: value(config(penalty_on="both", fit=fit), "saturation_read", real=of_real)
        for fit in ("none", "both")
    }
    seen = update(config())
    for fit, ab in (("none", seen.batch.ab), ("both", seen.batch.fitted_ab)):
        measured = STATISTICS["saturation"].measure(l_ab_to_rgb(seen.batch.l, ab))
        assert found[fit] == pytest.approx((2 * measured - 1).abs().mean().item(), rel=1e-4)


# A share of the length


@pytest.mark.parametrize(
    ("share", "steps", "first"),
    [(0.0, 100, 0), (0.5, 100, 50), (0.85, 100, 85), (0.5, 7, 4), (0.1, 30, 3), (0.85, 6, 5)],
)
def test_a_penalty_acts_from_a_share_of_the_length(share: float, steps: int, first: int) -> None:
    penalty = table(config(penalty_from_step=share))["saturation"]
    assert penalty.first_step(steps) == first
    assert table(config(penalty_from_step=share))["l1"].first_step(steps) == 0


def test_before_its_time_a_penalty_is_no_part_of_the_training(start: Start) -> None:
    late = start(steps=8, controls=FIXED, penalty_from_step=0.5)
    without = start(steps=8, controls={"saturation": {"target": 0.3, "weight": 0}})

    def weights(of: Trainer) -> Tensor:
        return torch.cat([p.detach().flatten() for p in of.training.gan.generator.parameters()])

    for step in range(8):
        for of in (late, without):
            of.training.train_step()
        assert torch.equal(weights(late), weights(without)) is (step < 4), step


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 2])
def test_a_logged_penalty_is_the_mean_over_the_steps_in_which_it_acted(
    start: Start, tmp_path: Path, every: int
) -> None:
    fields = {
        "steps": 12,
        "controls": FIXED,
        "penalty_from_step": 0.5,
        "penalty_on": "both",
        "discriminator_every": every,
    }
    each, some = start(log_every=1, **fields), start(log_every=8, **fields)
    for number, of in enumerate((each, some)):
        of.fit(tmp_path / str(number))
    for name in ("saturation", "saturation_as_read"):
        single = series(each, f"loss/{name}")
        assert list(single) == list(range(7, 13)), "after 6 steps without"
        # At 8 the mean of two steps, at 12 of the four since.
        wanted = {
            8: np.mean([single[7], single[8]]),
            12: np.mean([single[n] for n in range(9, 13)]),
        }
        assert series(some, f"loss/{name}") == pytest.approx(wanted, rel=1e-5)
    reading = series(each, "loss/saturation_read")
    assert list(reading) == list(range(1, 13, every)), "learnt from the start"
    wanted = {
        8: np.mean([reading[n] for n in reading if n <= 8]),
        12: np.mean([reading[n] for n in reading if n > 8]),
    }
    assert series(some, "loss/saturation_read") == pytest.approx(wanted, rel=1e-5)


# On what the discriminator reads


@pytest.mark.slow
def test_the_discriminator_learns_to_read_a_statistic(start: Start, tmp_path: Path) -> None:
    of = start(
        steps=60,
        log_every=10,
        evaluate_every=60,
        penalty_on="discriminator",
        base_channels=8,
        discriminator_lr=2e-3,
        controls={"saturation": {"target": "any"}},
        eval_targets=[{"saturation": 0.5}],
        eval_images=12,
    )
    assert of.fit(tmp_path)
    losses = list(series(of, "loss/saturation_read").values())
    assert losses[-1] < 0.6 * losses[0]
    assert "loss/saturation" not in of.training.history[-2]["metrics"]
    # The readings of pictures tell them apart.
    held = of.training.held_out
    judge = of.training.gan.discriminator.eval()
    values = held.statistics["saturation"]
    with torch.no_grad():
        read = judge(held.l, held.ab, {"saturation": values}).read
    assert read is not None
    assert read.shape == (12, 1)
    assert np.corrcoef(read[:, 0], values)[0, 1] > 0.5


@pytest.mark.slow
def test_a_training_with_a_reader_goes_on_bit_for_bit(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    fields = {"steps": 12, "evaluate_every": 6, "penalty_on": "discriminator"}
    fields |= {"controls": TWO, "eval_targets": [{"hue": 0.5}]}
    whole = start(**fields)
    assert whole.fit(tmp_path / "whole")
    part = start(**fields)
    assert not part.fit(tmp_path / "part", should_stop=lambda: part.training.step == 7)
    last = start(**fields)
    assert last.fit(tmp_path / "part")
    assert everything(last) == everything(whole)
