"""A trial that is killed again and again, at any moment, equals one that was left alone."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from gan import checkpoint
from gan.config import TrainConfig
from gan.training.trainer import Trainer
from tests.support.killed_trainings import SWEEP, Victim
from tests.support.s3 import Server
from tests.support.tracked_trials import only_run, store_of
from tests.support.trainings import (
    assert_same_generator,
    assert_sent_once,
    left_alone_meanwhile,
    small,
)

KILLS = int(os.environ.get("COLORSWEEP_KILLS", "20"))
"""``make kills`` asks for more."""
MOMENT_SECONDS = 10.0
"""Longest wait for a moment to kill at."""

pytestmark = pytest.mark.timeout(300 + 10 * KILLS)


@pytest.fixture(scope="module")
def config(small_npz: Path) -> TrainConfig:
    return small(small_npz, steps=15 * KILLS, eval_images=4, fit="both")


@pytest.fixture(scope="module")
def alone(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Future[Trainer]:
    (alone,) = left_alone_meanwhile([config], tmp_path_factory.mktemp("alone"))
    return alone


def test_a_trial_killed_at_any_moment_equals_one_left_alone(
    config: TrainConfig, alone: Future[Trainer], tmp_path: Path
) -> None:
    hit = live_and_die(Victim(config, tmp_path, None, {}), alone)
    assert hit["checkpoint"] >= KILLS // 10, hit
    assert hit["sending"] >= KILLS // 10, hit


def test_so_does_one_whose_checkpoints_are_uploaded(
    config: TrainConfig, alone: Future[Trainer], tmp_path: Path, uri: str, server: Server
) -> None:
    hit = live_and_die(Victim(config, tmp_path, uri, server.environment()), alone)
    assert hit["checkpoint"] >= KILLS // 10, hit
    assert hit["sending"] >= KILLS // 10, hit
    assert hit["uploading"] >= KILLS // 10, hit


def live_and_die(victim: Victim, alone: Future[Trainer]) -> Counter[str]:
    """Kill a trial, let it end, and compare; returns how often what was interrupted."""
    chance = random.Random(0)
    hit: Counter[str] = Counter()
    while hit.total() < KILLS:
        hit[_life(victim, chance)] += 1
    last = victim.start()
    last.join(240)
    assert last.exitcode == 0

    assert_same_generator(victim.generator(), alone.result())
    run = only_run(store_of(victim.runs), SWEEP)
    assert run.info.status == "FINISHED"
    assert_sent_once(store_of(victim.runs), run, alone.result())
    return hit


def _life(victim: Victim, chance: random.Random) -> str:
    """Train until killed; returns what that interrupted."""
    begun = _attempts(victim)
    process = victim.start()
    _wait(lambda: _attempts(victim) - begun or not process.is_alive(), 60)
    time.sleep(chance.uniform(0, 0.75))
    moments: dict[str, Callable[[], object]] = {
        "any": lambda: True,
        "checkpoint": lambda: _is_writing(victim, process),
        "sending": victim.journal.exists,
    }
    if victim.storage is not None:
        before = _upload(victim)
        moments["uploading"] = lambda: _upload(victim) not in (before, 0)
    moment = chance.choice([*moments])
    if moment == "uploading":  # it is many requests
        _wait(moments[moment], MOMENT_SECONDS)
        time.sleep(chance.uniform(0, 0.03))
    else:
        _stop(process, moments[moment])
    assert process.is_alive(), "it ended before it could be killed: the training is too short"
    process.kill()
    process.join()
    if _is_writing(victim, process):
        return "checkpoint"
    if victim.is_uploading():
        return "uploading"
    return "sending" if victim.journal.exists() else "training"


def _stop(process: BaseProcess, reached: Callable[[], object]) -> None:
    """Stop it at such a moment, which may be over before a kill arrives, or after a while."""
    assert process.pid is not None
    until = time.monotonic() + MOMENT_SECONDS
    while process.is_alive():
        _wait(reached, until - time.monotonic())
        os.kill(process.pid, signal.SIGSTOP)
        if reached() or time.monotonic() > until:
            return
        os.kill(process.pid, signal.SIGCONT)


def _is_writing(victim: Victim, process: BaseProcess) -> bool:
    """Whether it writes a checkpoint; what one that was killed left there is none."""
    return any(checkpoint.checkpoints_of(victim.trial).glob(f".step-*.{process.pid}"))


def _upload(victim: Victim) -> int:
    """When the newest upload began; 0 where there was none."""
    try:
        return victim.upload.stat().st_ctime_ns
    except FileNotFoundError:
        return 0


def _attempts(victim: Victim) -> set[Path]:
    with suppress(FileNotFoundError):  # a worker of a store begins with an empty directory
        return set((victim.trial / "attempts").glob("[0-9]*.json"))
    return set()


def _wait(condition: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
