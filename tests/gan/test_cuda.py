"""What only a GPU can show; these run wherever there is one."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan import checkpoint
from gan.benchmark.plain_loop import PlainLoop
from gan.colour import exact_control
from gan.colour.conversion import rgb_to_l_ab
from gan.config import TrainConfig
from gan.data.datasets import load
from gan.evaluation.evaluate import evaluate
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural
from gan.model.mean_of_2x2 import MeanOf2x2
from gan.training import step as stepping
from gan.training.distribution import window_means
from gan.training.step import EAGER_STEPS
from gan.training.trainer import Trainer
from tests.support.trainings import save

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NEVER = 10**9
CONVOLUTIONS = torch.backends.cudnn.conv  # type: ignore[attr-defined]

Start = Callable[..., Trainer]


@pytest.fixture(autouse=True)
def exact_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 in full: TF32, which PyTorch lets convolutions use, has 10 bits."""
    monkeypatch.setattr(CONVOLUTIONS, "fp32_precision", "ieee")


@pytest.fixture
def start(small_npz: Path) -> Start:
    """Start a small training on the GPU; every option can be set."""

    def start(**fields: Any) -> Trainer:
        config = TrainConfig.model_validate(
            {
                "dataset": "npz",
                "dataset_path": str(small_npz),
                "base_channels": 8,
                "batch_size": 16,
                "steps": 40,
                "log_every": 5,
                "evaluate_every": 10,
                "eval_images": 12,
                "penalty_from_step": 0.0,
                "controls": {"saturation": {"target": 0.75}, "hue": {"target": 0.6}},
                **fields,
            }
        )
        return Trainer(config, load(config), CUDA)

    return start


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
    start: Start, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    fields = {**EVERYTHING, "precision": precision}
    recorded = train(start(**fields), 24)
    # With and without the discriminator's turn, each without and with the penalty; recordings
    # without it, which no later step needs, are gone.
    assert len(recorded.training.gan._eager) == 4
    assert len(recorded.training.gan._graphs) == 2
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    one_by_one = train(start(**fields), 24)
    assert not one_by_one.training.gan._graphs
    assert_same(recorded, one_by_one)


def test_a_training_with_draws_restored_midway_ends_as_if_never_stopped(
    start: Start, tmp_path: Path
) -> None:
    whole = train(start(**EVERYTHING), 24)
    # Before the penalty's first step, at it, and after it.
    for stop in (9, 12, 17):
        save(train(start(**EVERYTHING), stop), tmp_path / str(stop))
        found = checkpoint.newest(tmp_path / str(stop))
        assert found is not None
        second = start(**EVERYTHING)
        second.training.restore(found)
        assert_same(train(second, 24 - stop), whole)


def test_steps_with_draws_do_not_wait_for_the_gpu(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for eager in (EAGER_STEPS, NEVER):
        monkeypatch.setattr(stepping, "EAGER_STEPS", eager)
        trainer = train(start(**{**EVERYTHING, "penalty_from_step": 0.0}), 2 * (EAGER_STEPS + 1))
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            train(trainer, 4)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_recorded_steps_are_the_steps_taken_one_by_one_bit_for_bit(
    start: Start, monkeypatch: pytest.MonkeyPatch, every: int, precision: str
) -> None:
    fields = {"discriminator_every": every, "precision": precision}
    recorded = train(start(**fields), 20)
    assert len(recorded.training.gan._graphs) == every, (
        "one with the discriminator's turn, one without"
    )
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    one_by_one = train(start(**fields), 20)
    assert not one_by_one.training.gan._graphs
    assert_same(recorded, one_by_one)


def test_the_same_config_trains_the_same_generator_bit_for_bit(start: Start) -> None:
    first, second = train(start(), 20), train(start(), 20)
    assert_same(first, second)
    other = everything(train(start(seed=1), 20))
    assert not torch.equal(
        other["generator.head.weight"], everything(first)["generator.head.weight"]
    )


def test_dropout_is_drawn_anew_by_each_replay(start: Start) -> None:
    # The pictures of every step are the same ones, and nothing is learnt.
    trainer = train(start(), EAGER_STEPS + 1)
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


def test_the_learning_rate_reaches_the_recording(start: Start) -> None:
    trainer = train(start(batch_norm=False), EAGER_STEPS + 2)
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
    start: Start, tmp_path: Path, every: int
) -> None:
    whole = train(start(discriminator_every=every), 40)
    first = train(start(discriminator_every=every), 15)
    save(first, tmp_path)
    # Into a fresh one, and into one that has recorded its steps.
    for second in (start(discriminator_every=every), train(start(discriminator_every=every), 20)):
        found = checkpoint.newest(tmp_path)
        assert found is not None
        second.training.restore(found)
        assert second.training.step == 15
        assert_same(train(second, 25), whole)


def test_a_step_does_not_wait_for_the_gpu(start: Start) -> None:
    trainer = train(start(lr_decay_steps=10), 2 * (EAGER_STEPS + 1))
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(trainer, 5)
        with pytest.raises(RuntimeError, match="synchroniz"):
            trainer.training.gan.sums.tolist()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_eager_steps_do_not_wait_for_the_gpu_either(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits cannot be recorded; here the call that waits is in the traceback.
    monkeypatch.setattr(stepping, "EAGER_STEPS", NEVER)
    trainer = train(start(), 2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(trainer, 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# The GPU's numbers are the CPU's


@pytest.mark.parametrize("of_all", [False, True])
def test_an_evaluation_is_that_of_the_cpu(
    start: Start, monkeypatch: pytest.MonkeyPatch, of_all: bool
) -> None:
    # With the same search on both: where a picture has its target at two places, a bisection that
    # tries one place at a time may find the other. And with one target: of two, the search may
    # hang on a rounding.
    monkeypatch.setattr(exact_control, "_tried", lambda halvings, device: 2 ** (halvings // 2) - 1)
    trainer = train(start(**({"controls": {"saturation": {"target": 0.5}}} if of_all else {})), 10)
    config, on_gpu = trainer.training.config, trainer.training.held_out
    on_cpu = HeldOut.of(on_gpu.rgb.cpu(), on_gpu.photograph)
    generator = trainer.training.gan.generator
    found = evaluate(
        generator, on_gpu, config, Natural(lambda: on_gpu.rgb) if of_all else None
    ).metrics
    wanted = evaluate(
        generator.to(CPU), on_cpu, config, Natural(lambda: on_cpu.rgb) if of_all else None
    ).metrics
    # Shares of pixels within a colour difference step by a pixel of 12 * 32 * 32. The lattice's
    # amplitude is the root of a difference.
    roots = [
        (of.pop(name), name) for of in (found, wanted) for name in list(of) if "lattice_a" in name
    ]
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    assert len(roots) == (4 if of_all else 0)


def test_50_recorded_steps_have_the_losses_of_the_plain_loop(start: Start) -> None:
    # Without dropout, which draws in memory order, and control (see test_gan_bench).
    trainer = start(precision="float32", controls={})
    plain = PlainLoop(trainer.training.config, torch.zeros(16, 32, 32, 3, dtype=torch.uint8), CUDA)
    for module in itertools.chain(
        trainer.training.gan.generator.modules(), plain.generator.modules()
    ):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for number in range(50):
        rgb = trainer.training.batches.at(number)
        wanted = plain.update(*(x.contiguous() for x in (*rgb_to_l_ab(rgb), rgb)))
        assert step_losses(trainer) == pytest.approx(wanted, rel=3e-3)


@pytest.mark.parametrize(
    "function",
    [MeanOf2x2(), lambda maps: window_means(maps, 8), lambda maps: window_means(maps, 32)],
    ids=["2x2", "8x8", "whole"],
)
def test_means_of_pixels_and_their_gradients_are_those_of_the_cpu(
    function: Callable[[Tensor], Tensor],
) -> None:
    maps = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    made = []
    for device in (CPU, CUDA):
        given = maps.to(device, copy=True).requires_grad_(True)
        means = function(given)
        means.square().sum().backward()  # type: ignore[no-untyped-call]
        assert given.grad is not None
        made.append((means.detach().cpu(), given.grad.cpu()))
    torch.testing.assert_close(made[1], made[0])
