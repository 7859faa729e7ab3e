"""What only a GPU can show; these run wherever there is one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gan import checkpoint
from gan.training import step as stepping
from gan.training.recorded_preparation import RecordedPreparation
from gan.training.step import EAGER_STEPS
from gan.training.trainer import Trainer
from tests.support.trainings import save

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    pytest.mark.usefixtures("exact_convolutions"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NEVER = 10**9

Start = Callable[..., Trainer]


def train(of: Trainer, steps: int) -> Trainer:
    for _ in range(steps):
        of.training.train_step()
    return of


def everything(of: Trainer) -> dict[str, Tensor]:
    """Weights, batch statistics, moments, sums of the losses."""
    parts = of.training.gan.state().items()
    return {f"{part}.{name}": t.cpu().clone() for part, ts in parts for name, t in ts.items()}


def assert_same(first: Trainer, second: Trainer) -> None:
    ours, theirs = everything(first), everything(second)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def step_losses(of: Trainer) -> dict[str, float]:
    before = of.training.step
    of.training.gan.sums.zero_()
    of.training.train_step()
    return of.training.gan.means(of.training.step, before)


@contextmanager
def waiting_refused() -> Iterator[None]:
    """Raise a RuntimeError where the CPU waits for the GPU."""
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


# What is recorded is what would have been done


EVERYTHING: dict[str, Any] = {
    "steps": 24,
    "controls": {
        "saturation": {"min": 0.05, "max": 0.9, "hold_out": [[0.4, 0.6]]},
        "hue": {"target": "any"},
    },
    "penalty_from_step": 0.5,
    "penalty_on": "both",
    "discriminator_every": 2,
}


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_recorded_steps_read_the_draws_of_each_step_bit_for_bit(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    fields = {**EVERYTHING, "precision": precision}
    recorded = train(on_gpu(**fields), 24)
    # With and without the discriminator's turn, each without and with the penalty; recordings
    # without it, which no later step needs, are gone.
    assert len(recorded.training.gan._eager) == 4
    assert len(recorded.training.gan._graphs) == 2
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    one_by_one = train(on_gpu(**fields), 24)
    assert not one_by_one.training.gan._graphs
    assert_same(recorded, one_by_one)


def test_batches_prepared_ahead_are_neither_read_too_early_nor_replaced_too_early(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = train(on_gpu(**EVERYTHING), 24)
    replay, taken = RecordedPreparation.replay, RecordedPreparation.taken

    def slow_replay(self: RecordedPreparation, *inputs: Any) -> None:
        torch.cuda._sleep(10**7)  # type: ignore[no-untyped-call] # some milliseconds
        replay(self, *inputs)

    def slowly_taken(self: RecordedPreparation) -> Any:
        torch.cuda._sleep(10**7)  # type: ignore[no-untyped-call]
        return taken(self)

    for slow in ({"replay": slow_replay}, {"taken": slowly_taken}):
        with monkeypatch.context() as patch:
            for name, method in slow.items():
                patch.setattr(RecordedPreparation, name, method)
            assert_same(train(on_gpu(**EVERYTHING), 24), wanted)


def test_a_training_with_draws_restored_midway_ends_as_if_never_stopped(
    on_gpu: Start, tmp_path: Path
) -> None:
    whole = train(on_gpu(**EVERYTHING), 24)
    # Before the penalty's first step, at it, and after it.
    for stop in (9, 12, 17):
        save(train(on_gpu(**EVERYTHING), stop), tmp_path / str(stop))
        found = checkpoint.newest(tmp_path / str(stop))
        assert found is not None
        second = on_gpu(**EVERYTHING)
        second.training.restore(found)
        assert_same(train(second, 24 - stop), whole)


def test_steps_with_draws_do_not_wait_for_the_gpu(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for eager in (EAGER_STEPS, NEVER):
        monkeypatch.setattr(stepping, "EAGER_STEPS", eager)
        trainer = train(on_gpu(**{**EVERYTHING, "penalty_from_step": 0.0}), 2 * (EAGER_STEPS + 1))
        with waiting_refused():
            train(trainer, 4)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_recorded_steps_are_the_steps_taken_one_by_one_bit_for_bit(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch, every: int, precision: str
) -> None:
    fields = {"discriminator_every": every, "precision": precision}
    recorded = train(on_gpu(**fields), 20)
    assert len(recorded.training.gan._graphs) == every, (
        "one with the discriminator's turn, one without"
    )
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    one_by_one = train(on_gpu(**fields), 20)
    assert not one_by_one.training.gan._graphs
    assert_same(recorded, one_by_one)


def test_the_same_config_trains_the_same_generator_bit_for_bit(on_gpu: Start) -> None:
    first, second = train(on_gpu(), 20), train(on_gpu(), 20)
    assert_same(first, second)
    other = everything(train(on_gpu(seed=1), 20))
    assert not torch.equal(
        other["generator.head.weight"], everything(first)["generator.head.weight"]
    )


def test_dropout_is_drawn_anew_by_each_replay(on_gpu: Start) -> None:
    # The pictures of every step are the same ones, and nothing is learnt.
    trainer = train(on_gpu(), EAGER_STEPS + 1)
    assert trainer.training.gan._graphs
    with trainer.training.gan.ahead():
        rgb = trainer.training.batches.at(0)
    losses = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        trainer.training.gan.sums.zero_()
        trainer.training.gan(rgb, trainer.training.step, 0.0)
        losses.append(trainer.training.gan.means(1, 0)["l1"])
    assert losses[0] != losses[1], "another seed"
    assert losses[0] == losses[2], "the same seed"


def test_the_learning_rate_reaches_the_recording(on_gpu: Start) -> None:
    trainer = train(on_gpu(batch_norm=False), EAGER_STEPS + 2)
    with trainer.training.gan.ahead():
        rgb = trainer.training.batches.at(0)

    def moved(factor: float) -> float:
        before = trainer.training.gan.generator.head.weight.detach().clone()
        trainer.training.gan(rgb, trainer.training.step, factor)
        return float((trainer.training.gan.generator.head.weight.detach() - before).norm())

    assert trainer.training.gan._graphs
    assert moved(0.0) == 0
    assert moved(1.0) > 0
    assert moved(0.0) == 0


@pytest.mark.parametrize("every", [1, 2])
def test_a_training_restored_midway_ends_as_if_never_stopped(
    on_gpu: Start, tmp_path: Path, every: int
) -> None:
    whole = train(on_gpu(discriminator_every=every), 40)
    first = train(on_gpu(discriminator_every=every), 15)
    save(first, tmp_path)
    # Into a fresh one, and into one that has recorded its steps.
    for second in (on_gpu(discriminator_every=every), train(on_gpu(discriminator_every=every), 20)):
        found = checkpoint.newest(tmp_path)
        assert found is not None
        second.training.restore(found)
        assert second.training.step == 15
        assert_same(train(second, 25), whole)


def test_a_step_does_not_wait_for_the_gpu(on_gpu: Start) -> None:
    trainer = train(on_gpu(lr_decay_steps=10), 2 * (EAGER_STEPS + 1))
    with waiting_refused():
        train(trainer, 5)
        with pytest.raises(RuntimeError, match="synchroniz"):
            trainer.training.gan.sums.tolist()


def test_eager_steps_do_not_wait_for_the_gpu_either(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits cannot be recorded; here the call that waits is in the traceback.
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    trainer = train(on_gpu(), 2)
    with waiting_refused():
        train(trainer, 2)
