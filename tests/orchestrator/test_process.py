"""Trainings in forks of a process of their own, which are really killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.store.attempts import attempts
from orchestrator.worker.process import Died, Nursery
from orchestrator.worker.task import TrialTask
from tests.support.s3 import wait_for
from tests.support.trainings import assert_same_generator, left_alone, small

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery(threads=1)
    yield nursery
    nursery.close()


def task_of(config: TrainConfig, directory: Path) -> TrialTask:
    values = config.model_dump(mode="json")
    return TrialTask(config.key(), values, str(directory), "", threads=1, on_gpu=False)


def never() -> bool:
    return False


def ignore(progress: dict[str, Any]) -> None:
    pass


def test_a_training_in_a_fork_equals_one_in_this_process(
    nursery: Nursery, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz)
    seen: list[dict[str, Any]] = []
    ended = nursery.train(task_of(config, tmp_path / "a"), seen.append, never)
    assert ended == ("finished", "")
    assert [seen[0]["step"], seen[-1]["step"]] == [0, 40]
    assert_same_generator(tmp_path / "a", left_alone(config, tmp_path / "b"))


def test_a_killed_training_is_told_and_the_next_goes_on(
    nursery: Nursery, small_npz: Path, tmp_path: Path
) -> None:
    task = task_of(small(small_npz, steps=10**6), tmp_path)

    def kill(progress: dict[str, Any]) -> None:
        if progress["durable_step"]:
            os.kill(attempts(tmp_path)[-1].process, signal.SIGKILL)

    with pytest.raises(Died, match=r"^signal 9$"):
        nursery.train(task, kill, never)
    durable = checkpoint.newest(tmp_path)
    assert durable is not None
    assert nursery.train(task, ignore, lambda: len(attempts(tmp_path)) == 2) == ("going", "")
    first, second = attempts(tmp_path)
    assert first.ended is None
    assert second.ended == "stopped"
    assert second.from_step == checkpoint.read_trial(durable)["step"] > 0
    assert second.step > second.from_step


def test_a_mistake_is_told_like_any_other_end(
    nursery: Nursery, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, dataset_path=str(tmp_path / "none.npz"))
    state, reason = nursery.train(task_of(config, tmp_path / "a"), ignore, never)
    assert state == "failed"
    assert "none.npz" in reason


def test_a_stop_that_comes_with_the_task_is_heard(
    nursery: Nursery, small_npz: Path, tmp_path: Path
) -> None:
    task = task_of(small(small_npz, steps=10**6), tmp_path)
    for _ in range(5):
        assert nursery.train(task, ignore, lambda: True) == ("going", "")
    assert {attempt.ended for attempt in attempts(tmp_path)} == {"stopped"}


def test_what_cannot_even_begin_has_failed_and_says_why(nursery: Nursery, tmp_path: Path) -> None:
    config = small(Path("none.npz"))
    task = replace(task_of(config, tmp_path), storage="gopher://nowhere", path="sweeps/a/b")
    state, reason = nursery.train(task, ignore, never)
    assert state == "failed"
    assert "gopher://nowhere" in reason


@pytest.mark.parametrize("with_nursery", [False, True])
def test_a_training_ends_with_its_worker_and_is_no_failure(
    small_npz: Path, tmp_path: Path, with_nursery: bool
) -> None:
    # Many evaluations: it is telling of one when the worker dies.
    task = task_of(small(small_npz, steps=10**6, evaluate_every=1), tmp_path)
    script = (
        "import json, sys; from orchestrator.worker.process import Nursery;"
        "from orchestrator.worker.task import TrialTask;"
        "task = TrialTask(**json.loads(sys.argv[1]));"
        "Nursery(1).train(task, lambda progress: None, lambda: False)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, json.dumps(asdict(task))])
    wait_for(lambda: bool(found := attempts(tmp_path)) and found[0].step > 0)
    training = psutil.Process(attempts(tmp_path)[0].process)
    if with_nursery:  # as Ray does with what its dead workers started
        psutil.Process(training.ppid()).kill()
    worker.kill()
    worker.wait()
    training.wait(60)
    (attempt,) = attempts(tmp_path)
    assert attempt.ended is None
    assert not (tmp_path / "error.txt").exists()


def test_a_training_ends_with_its_nursery(small_npz: Path, tmp_path: Path) -> None:
    other = Nursery(threads=1)
    task = task_of(small(small_npz, steps=10**6), tmp_path)

    killed: list[psutil.Process] = []

    def orphan(progress: dict[str, Any]) -> None:
        if not killed:
            killed.append(psutil.Process(psutil.Process(attempts(tmp_path)[0].process).ppid()))
            killed[0].kill()

    with pytest.raises(Died):
        other.train(task, orphan, never)
    assert attempts(tmp_path)[0].ended is None
    other.close()
