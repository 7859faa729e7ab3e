import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gan import checkpoint
from gan.data.datasets import load
from gan.training import session
from gan.training.trainer import Trainer
from tests.support.trainings import Start, everything, points, series, small, weights

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


# A trial is a function of its config


@pytest.mark.slow
def test_the_same_config_trains_the_same_generator_bit_for_bit(start: Start) -> None:
    first, second = start(), start()
    for of in (first, second):
        for _ in range(3):
            of.training.train_step()
        torch.manual_seed(99)
    assert torch.equal(weights(first), weights(second))
    for fields in ({"seed": 1}, {"augment": False}, {"l1_weight": 10.0}):
        other = start(**fields)
        for _ in range(3):
            other.training.train_step()
        assert not torch.equal(weights(first), weights(other))


def test_a_control_of_weight_0_trains_the_generator_of_no_control(start: Start) -> None:
    without = start(controls={}, fit="none")
    with_0 = start(controls={"hue": {"target": 0.6, "weight": 0}}, fit="none")
    for _ in range(4):
        without.training.train_step()
        with_0.training.train_step()
    assert torch.equal(weights(without), weights(with_0))


@pytest.fixture(scope="module")
def in_one_go(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    config = small(small_npz, steps=20, eval_images=4)
    whole = Trainer(config, load(config), CPU)
    assert whole.fit(tmp_path_factory.mktemp("whole"))
    return whole


@pytest.mark.slow
def test_a_training_stopped_anywhere_ends_as_if_never_stopped(
    start: Start, in_one_go: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    # Within a loss interval; the step after; at a loss point; at an evaluation; before the end.
    for stop in (3, 4, 5, 10, 19):
        part = start(steps=20)
        assert not part.fit(
            tmp_path,
            should_stop=lambda part=part, stop=stop: part.training.step == stop,  # type: ignore[misc]
        )
        assert part.training.step == stop
    last = start(steps=20)
    assert last.fit(tmp_path)
    assert points(last) == points(in_one_go)
    assert everything(last) == everything(in_one_go)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from gan.training import session
from gan.config import TrainConfig
from gan.data.datasets import load
from gan.training.trainer import Trainer

torch.set_num_threads(1)
session.PROGRESS_SECONDS = 0
session.CHECKPOINT_SHARE = float("inf")
config = TrainConfig.model_validate_json(sys.argv[1])
of = Trainer(config, load(config), torch.device("cpu"))

def die(progress):
    if progress.durable_step == 17:
        os.kill(os.getpid(), signal.SIGKILL)

of.fit(Path(sys.argv[2]), on_progress=die, should_stop=lambda: of.training.step == 17)
"""


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with_in_another_as_if_it_had_lived(
    start: Start, in_one_go: Trainer, tmp_path: Path
) -> None:
    argument = in_one_go.training.config.model_dump_json()
    killed = subprocess.run([sys.executable, "-c", KILLED, argument, str(tmp_path)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())][-1] == "step-00000017"
    resumed = start(steps=20)
    assert resumed.fit(tmp_path)
    assert points(resumed) == points(in_one_go)
    assert everything(resumed) == everything(in_one_go)


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_the_way_from_the_one_before(
    start: Start, tmp_path: Path
) -> None:
    whole = start(steps=4, evaluate_every=2)
    assert whole.fit(tmp_path)
    file = tmp_path / "checkpoints" / "step-00000004" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    resumed = start(steps=4, evaluate_every=2)
    assert resumed.fit(tmp_path)
    assert everything(resumed) == everything(whole)
    assert (newest := checkpoint.newest(tmp_path)) is not None
    assert newest.path.name == "step-00000004"


@pytest.mark.slow
def test_a_longer_training_goes_on_from_the_shorter(start: Start, tmp_path: Path) -> None:
    whole = start(steps=12, evaluate_every=4)
    assert whole.fit(tmp_path / "whole")
    assert start(steps=7, evaluate_every=4).fit(tmp_path / "part")
    longer = start(steps=12, evaluate_every=4)
    assert longer.fit(tmp_path / "part")
    assert torch.equal(weights(longer), weights(whole))
    for name in ("eval/mae", "eval/saturation_error"):
        # The shorter training has a point more, at its end.
        common = {step: value for step, value in series(longer, name).items() if step != 7}
        assert common == series(whole, name)


@pytest.mark.slow
def test_evaluations_are_a_tenth_of_the_length_apart(start: Start, tmp_path: Path) -> None:
    quick = {"controls": {}, "distribution_weight": 0, "batch_size": 2, "evaluate_every": None}
    short, longer = (start(steps=n, **quick) for n in (20, 45))
    assert short.fit(tmp_path)
    assert [*series(short, "eval/mae")] == [*range(2, 21, 2)]
    assert longer.fit(tmp_path)
    assert [*series(longer, "eval/mae")] == [*range(2, 21, 2), 25, 30, 35, 40, 45]


@pytest.mark.slow
def test_a_point_is_the_mean_since_the_last_of_the_grid(start: Start, tmp_path: Path) -> None:
    every = start(log_every=1, steps=11)
    every.fit(tmp_path / "every")
    start(steps=7).fit(tmp_path / "some")
    some = start(steps=11)
    some.fit(tmp_path / "some")
    for name in ("discriminator", "adversarial", "l1", "saturation", "hue"):
        each = series(every, f"loss/{name}")
        assert list(each) == list(range(1, 12))
        wanted = {
            last: np.mean([each[step] for step in range(first, last + 1)])
            for first, last in ((1, 5), (6, 7), (6, 10), (11, 11))
        }
        assert series(some, f"loss/{name}") == pytest.approx(wanted, rel=1e-5)


def test_a_training_that_is_complete_is_not_touched_again(start: Start, tmp_path: Path) -> None:
    start(steps=2).fit(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    again = start(steps=2)
    assert again.fit(tmp_path)
    assert again.training.step == 2
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


# What a step does


def test_learning_rates_fall_tenfold_over_the_decay(start: Start) -> None:
    of = start(lr_decay_steps=10, generator_lr=3e-4, discriminator_lr=1e-4)
    rates = []
    for _ in range(11):
        of.training.train_step()
        rates.append([optimizer.rate for optimizer in of.training.gan.optimizers.values()])
    wanted = [[rate * math.exp(-math.log(10) * s / 10) for rate in (3e-4, 1e-4)] for s in range(11)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)


def test_an_epoch_is_one_pass_over_the_images(start: Start) -> None:
    of = start(steps=None, epochs=1.5)
    # 64 images, 8 at a time.
    assert of.training.total_steps == 12
    for _ in range(12):
        of.training.train_step()
    assert of.training.epoch == 1.5


def test_both_networks_learn(start: Start) -> None:
    of = start()
    before = [
        p.detach().clone()
        for n in (of.training.gan.generator, of.training.gan.discriminator)
        for p in n.parameters()
    ]
    of.training.train_step()
    after = [
        p
        for n in (of.training.gan.generator, of.training.gan.discriminator)
        for p in n.parameters()
    ]
    assert all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_bfloat16_is_close_to_float32(start: Start) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        of = start(precision=precision, log_every=1)
        of.training.train_step()
        of.training.log_losses()
        losses.append(points(of)[0][1])
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] != losses[0]
