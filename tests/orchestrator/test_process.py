"""Trainings in forks of a process of their own, which are really killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from gan import checkpoint
from orchestrator.store.attempts import attempts
from orchestrator.store.events import TrialEvent
from orchestrator.worker.process import Died, TrainingProcess
from reports.phase import TrialPhase
from tests.support.broken_packages import REPOSITORY, break_package
from tests.support.s3 import wait_for
from tests.support.tasks import task_of
from tests.support.trainings import assert_same_generator, left_alone, small

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def process() -> Iterator[TrainingProcess]:
    process = TrainingProcess(threads=1)
    yield process
    process.close()


def never() -> bool:
    return False


def ignore(event: TrialEvent) -> None:
    pass


@pytest.mark.slow
def test_a_training_in_a_fork_equals_one_in_this_process(
    process: TrainingProcess, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=20)
    seen: list[TrialEvent] = []
    ended = process.train(task_of(config, tmp_path / "a"), seen.append, never)
    assert ended == TrialEvent(config.key(), TrialPhase.FINISHED)
    assert [event.progress and event.progress.step for event in (seen[0], seen[-1])] == [0, 20]
    assert_same_generator(tmp_path / "a", left_alone(config, tmp_path / "b"))


def test_a_killed_training_is_told_and_the_next_goes_on(
    process: TrainingProcess, small_npz: Path, tmp_path: Path
) -> None:
    task = task_of(small(small_npz, steps=10**6), tmp_path)

    def kill(event: TrialEvent) -> None:
        if event.progress is not None and event.progress.durable_step:
            os.kill(attempts(tmp_path)[-1].process, signal.SIGKILL)

    with pytest.raises(Died, match=r"^signal 9$"):
        process.train(task, kill, never)
    durable = checkpoint.newest(tmp_path)
    assert durable is not None
    ended = process.train(task, ignore, lambda: len(attempts(tmp_path)) == 2)
    assert ended == TrialEvent(task.key, TrialPhase.STOPPED)
    first, second = attempts(tmp_path)
    assert first.ended is None
    assert second.ended == "stopped"
    assert second.from_step == durable.trial["step"] > 0
    assert second.step > second.from_step


def test_an_error_of_the_worker_is_not_taken_for_a_death(
    process: TrainingProcess, small_npz: Path, tmp_path: Path
) -> None:
    def fail(event: TrialEvent) -> None:
        raise ConnectionError("the worker's own")

    with pytest.raises(ConnectionError, match="the worker's own"):
        process.train(task_of(small(small_npz, steps=10**6), tmp_path), fail, never)


def test_a_mistake_is_told_like_any_other_end(
    process: TrainingProcess, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, dataset_path=str(tmp_path / "none.npz"))
    ended = process.train(task_of(config, tmp_path / "a"), ignore, never)
    assert ended.phase is TrialPhase.FAILED
    assert "none.npz" in ended.reason


def test_a_stop_that_comes_with_the_task_is_heard(
    process: TrainingProcess, small_npz: Path, tmp_path: Path
) -> None:
    task = task_of(small(small_npz, steps=10**6), tmp_path)
    for _ in range(5):
        ended = process.train(task, ignore, lambda: True)
        assert ended == TrialEvent(task.key, TrialPhase.STOPPED)
    assert {attempt.ended for attempt in attempts(tmp_path)} == {"stopped"}


def test_what_cannot_even_begin_has_failed_and_says_why(
    process: TrainingProcess, tmp_path: Path
) -> None:
    config = small(Path("none.npz"))
    task = replace(task_of(config, tmp_path), storage="gopher://nowhere", path="sweeps/a/b")
    ended = process.train(task, ignore, never)
    assert ended.phase is TrialPhase.FAILED
    assert "gopher://nowhere" in ended.reason


@pytest.mark.slow
def test_modules_of_the_current_directory_are_not_taken_for_ours(
    small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gan", "numpy", "orchestrator"):
        break_package(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    task = task_of(small(small_npz, steps=2), tmp_path / "a")
    with closing(TrainingProcess(threads=1)) as process:
        assert process.train(task, ignore, never) == TrialEvent(task.key, TrialPhase.FINISHED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("safetensors", "cannot import safetensors.torch (RuntimeError: it is broken)"),
        ("orchestrator", "cannot train: exit code 1"),
    ],
    ids=["imported late", "imported first"],
)
def test_a_module_that_cannot_be_imported_is_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, reason: str
) -> None:
    break_package(tmp_path / package)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")
    task = task_of(small(Path("none.npz")), tmp_path / "a")
    failed = TrialEvent(task.key, TrialPhase.FAILED, reason=f"the node {reason}")
    with closing(TrainingProcess(threads=1)) as process:
        assert process.train(task, ignore, never) == failed


@pytest.mark.parametrize("with_process", [False, True])
def test_a_training_ends_with_its_worker_and_is_no_failure(
    small_npz: Path, tmp_path: Path, with_process: bool
) -> None:
    # Many evaluations: it is telling of one when the worker dies.
    task = task_of(small(small_npz, steps=10**6, evaluate_every=1), tmp_path)
    script = (
        "import json, sys; from orchestrator.worker.process import TrainingProcess;"
        "from orchestrator.worker.run import TrialTask;"
        "task = TrialTask(**json.loads(sys.argv[1]));"
        "TrainingProcess(1).train(task, lambda event: None, lambda: False)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, json.dumps(asdict(task))])
    wait_for(lambda: bool(found := attempts(tmp_path)) and found[0].step > 0)
    training = psutil.Process(attempts(tmp_path)[0].process)
    if with_process:  # as Ray does with what its dead workers started
        psutil.Process(training.ppid()).kill()
    worker.kill()
    worker.wait()
    training.wait(60)
    (attempt,) = attempts(tmp_path)
    assert attempt.ended is None
    assert not (tmp_path / "error.txt").exists()


@pytest.mark.slow
def test_a_training_ends_with_its_nursery(small_npz: Path, tmp_path: Path) -> None:
    other = TrainingProcess(threads=1)
    task = task_of(small(small_npz, steps=10**6), tmp_path)

    killed: list[psutil.Process] = []

    def orphan(event: TrialEvent) -> None:
        if not killed:
            killed.append(psutil.Process(psutil.Process(attempts(tmp_path)[0].process).ppid()))
            killed[0].kill()

    with pytest.raises(Died):
        other.train(task, orphan, never)
    assert attempts(tmp_path)[0].ended is None
    other.close()
