"""A trial that is killed again and again, at any moment, equals one that was left alone."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import victims
from tracking import only_run, store_of
from trainings import assert_same_generator, assert_sent_once, left_alone, small

from gan import checkpoint
from gan.config import TrainConfig

KILLS = int(os.environ.get("COLORSWEEP_KILLS", "20"))
"""``make kills`` asks for more."""

pytestmark = pytest.mark.timeout(300 + 10 * KILLS)


def test_a_trial_killed_at_any_moment_equals_one_left_alone(
    small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=25 * KILLS, evaluate_every=10)
    runs, store = tmp_path / "runs", tmp_path / "runs" / "mlflow.db"
    trial = runs / "sweeps" / victims.SWEEP / config.key()
    journal = store.with_name(f"{store.name}-journal")
    chance = random.Random(0)
    hit: Counter[str] = Counter()
    while hit.total() < KILLS:
        hit[_life(config, runs, trial, journal, chance)] += 1
    last = victims.start(config, runs, f"sqlite:///{store}")
    last.join(240)
    assert last.exitcode == 0

    alone = left_alone(config, tmp_path / "alone")
    assert_same_generator(trial, alone)
    run = only_run(store_of(runs), victims.SWEEP)
    assert run.info.status == "FINISHED"
    assert_sent_once(store_of(runs), run, alone)
    assert hit["checkpoint"] >= KILLS // 10, hit
    assert hit["sending"] >= KILLS // 10, hit


def _life(
    config: TrainConfig, runs: Path, trial: Path, journal: Path, chance: random.Random
) -> str:
    """Train until killed; returns what that interrupted."""
    begun = _attempts(trial)
    victim = victims.start(config, runs, f"sqlite:///{runs}/mlflow.db")
    _wait(lambda: _attempts(trial) > begun or not victim.is_alive(), 60)
    time.sleep(chance.uniform(0, 1))
    moment = chance.choice(["any", "checkpoint", "sending"])
    if moment == "checkpoint":
        _wait(lambda: _is_writing(trial), 5)
    elif moment == "sending":
        _wait(journal.exists, 5)
    assert victim.is_alive(), "it ended before it could be killed: the training is too short"
    victim.kill()
    victim.join()
    return "checkpoint" if _is_writing(trial) else "sending" if journal.exists() else "training"


def _is_writing(trial: Path) -> bool:
    return any(checkpoint.checkpoints_of(trial).glob(".step-*"))


def _attempts(trial: Path) -> int:
    return len(list((trial / "attempts").glob("[0-9]*.json")))


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
