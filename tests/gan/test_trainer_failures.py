import math
from pathlib import Path

import pytest
import torch

from gan import checkpoint
from gan.errors import TrainingError
from gan.model.stored_generator import load_generator
from tests.support.trainings import Start, points, save

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("evaluate_every", [3, 1000])
def test_a_loss_that_is_not_finite_ends_the_training_and_nothing_of_it_is_kept(
    start: Start, tmp_path: Path, evaluate_every: int
) -> None:
    of = start(generator_lr=1e30, evaluate_every=evaluate_every)
    with pytest.raises(
        TrainingError, match=r"loss/\w+ was not finite, or exploded, at step [1-5];"
    ):
        of.fit(tmp_path)
    assert all(math.isfinite(v) for _, metrics in points(of) for v in metrics.values())
    if (kept := checkpoint.newest(tmp_path)) is not None:
        assert all(t.isfinite().all() for t in load_generator(kept.path).state_dict().values())


@pytest.mark.slow
def test_what_was_trained_before_a_loss_was_not_finite_is_kept(
    start: Start, tmp_path: Path
) -> None:
    start(steps=10).fit(tmp_path)
    of = start(steps=20)
    fit_on = checkpoint.newest(tmp_path)
    assert fit_on is not None
    of.training.restore(fit_on)
    with torch.no_grad():
        of.training.gan.discriminator.layers[-1].weight.mul_(1e9)  # type: ignore[operator]
    damaged = of.training.state()
    checkpoint.write(tmp_path, 10, damaged)
    with pytest.raises(TrainingError, match=r"exploded, at step 1[1-5]"):
        start(steps=20).fit(tmp_path)
    assert (kept := checkpoint.newest(tmp_path)) is not None
    assert kept.path == fit_on.path


def test_weights_that_are_not_finite_are_never_kept(start: Start, tmp_path: Path) -> None:
    of = start()
    of.training.train_step()
    save(of, tmp_path)
    of.training.train_step()
    with torch.no_grad():
        of.training.gan.discriminator.layers[0][0].weight[0, 0, 0, 0] = float("nan")  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"discriminator\.\S+ was not finite at step 2"):
        save(of, tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_a_generator_that_is_not_finite_is_not_measured(start: Start, tmp_path: Path) -> None:
    of = start(steps=4, evaluate_every=1000, log_every=1000)
    step = of.training.train_step

    def break_the_last() -> None:
        step()
        if of.training.step == 4:
            with torch.no_grad():
                of.training.gan.generator.head.weight[0, 0, 0, 0] = float("nan")

    of.training.train_step = break_the_last  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"generator\.head\.weight was not finite at step 4"):
        of.fit(tmp_path)


@pytest.mark.parametrize("term", ["discriminator", "hue"])
def test_a_failure_names_the_first_term_and_its_step(start: Start, term: str) -> None:
    of = start()
    names = [each.name for each in of.training.gan.terms]
    of.training.train_step()
    assert of.training.gan.failure() is None
    with torch.no_grad():
        of.training.gan.failed_at[names.index(term)] = 4
        of.training.gan.failed_at[names.index("saturation")] = 6
    failure = of.training.gan.failure()
    assert failure is not None
    assert failure.startswith(f"loss/{term} was not finite, or exploded, at step 5; ")


def test_an_adversarial_loss_that_explodes_is_noticed_while_it_is_finite(start: Start) -> None:
    of = start()
    with torch.no_grad():
        of.training.gan.discriminator.layers[-1].weight.mul_(1e9)  # type: ignore[operator]
    of.training.train_step()
    assert of.training.gan.sums.isfinite().all()
    with pytest.raises(TrainingError, match="at step 1"):
        of.training.log_losses()


def test_colours_at_the_ends_of_their_range_have_exploded(start: Start, tmp_path: Path) -> None:
    of = start(generator_lr=1e3)
    with pytest.raises(TrainingError, match="loss/l1 was not finite, or exploded"):
        of.fit(tmp_path)


def test_a_checkpoint_of_other_networks_is_refused_in_one_line(
    start: Start, tmp_path: Path
) -> None:
    start(steps=1).fit(tmp_path)
    found = checkpoint.newest(tmp_path)
    assert found is not None
    with pytest.raises(TrainingError, match="other networks") as caught:
        start(base_channels=8).training.restore(found)
    assert "\n" not in str(caught.value)
