"""Trainings in processes of their own, forked from one that has imported and loaded everything.

A Ray worker keeps one such process. Where a training is killed (out of memory, a fault of a
driver), the next is there in a second instead of a quarter of a minute, and what it broke is gone
with it. And training never waits for the launch to take note of its progress.

They talk in lines of JSON. In: ``{"task": ...}``, ``{"stop": true}``. Out: ``{"progress": ...}``,
``{"ended": [state, reason]}``, and ``{"died": how}`` after a training that did not say how it
ended.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gan.errors import UserError
from orchestrator.worker.task import TrialTask

if TYPE_CHECKING:
    from gan.training.trainer import Progress

IMPORTED = (
    *("gan.training.trainer", "gan.evaluation.fid", "safetensors.torch", "numpy.random"),
    *("PIL.PngImagePlugin", "PIL.JpegImagePlugin"),
)
"""What a training needs, some of which it would import on its way."""
POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0


class Died(Exception):
    """A training's process ended without a word."""


class Nursery:
    """A process that trains one trial at a time, each in a fork of its own."""

    def __init__(self, threads: int) -> None:
        """Start it; the first task waits until it has imported everything."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.worker.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # Ctrl-C is for the launch, which asks for checkpoints
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, _Lines(self._process.stdout.fileno())

    def train(
        self,
        task: TrialTask,
        on_progress: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ) -> tuple[str, str]:
        """Train a trial.

        Args:
            task: the trial's.
            on_progress: called about once a second with the fields of
                ``gan.training.trainer.Progress``.
            should_stop: asked about once a second; if so, a checkpoint is taken.

        Returns:
            How it ended, and why, like ``TrialTask.run``.

        Raises:
            Died: the training's process was killed, or the nursery's.
        """
        self._send({"task": asdict(task)})
        stopping = False
        while True:
            if not stopping and (stopping := should_stop()):
                self._send({"stop": True})
            for line in self._from.read(LOOK_SECONDS):
                if "progress" in line:
                    on_progress(line["progress"])
                elif "ended" in line:
                    state, reason = line["ended"]
                    return state, reason
                elif "died" in line:
                    raise Died(line["died"])
            if self._from.closed:
                raise Died("with the process that it was forked from")

    @property
    def alive(self) -> bool:
        """Whether it can train."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, and what it trains, at once."""
        with suppress(BrokenPipeError):
            self._to.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # what it says last is read yet
            self._to.write(json.dumps(message).encode() + b"\n")
            self._to.flush()


class _Lines:
    """Reads lines of JSON as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.closed = False

    def read(self, seconds: float | None) -> list[dict[str, Any]]:
        """Wait for some, but no longer than that."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return []
        content = os.read(self._descriptor, 1 << 16)
        self.closed = not content
        *lines, self._rest = (self._rest + content).split(b"\n")
        return [json.loads(line) for line in lines]


def main() -> None:
    """Fork a training for each task; ends, with what trains, when stdin does."""
    # What libraries print is not for the worker.
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    from gan.versions import versions

    versions()  # asks git, and is remembered
    # Threads do not live on in a fork, and who counts on them waits for ever.
    torch.set_num_threads(1)
    tasks, training = _Lines(sys.stdin.fileno()), 0
    while not tasks.closed:
        for message in tasks.read(POLL_SECONDS if training else None):
            if "task" in message:
                _end(training)
                training = _fork(TrialTask(**message["task"]), out)
            elif training:
                os.kill(training, signal.SIGTERM)
        if training:
            pid, status = os.waitpid(training, os.WNOHANG)
            if pid:
                training = 0
                if status:
                    with suppress(BrokenPipeError):  # the worker is dead: stdin says so next
                        code = os.waitstatus_to_exitcode(status)
                        how = f"signal {-code}" if code < 0 else f"exit code {code}"
                        _write(out, {"died": how})
    _end(training)


def _end(training: int) -> None:
    if training:
        os.kill(training, signal.SIGKILL)
        os.waitpid(training, 0)


def _fork(task: TrialTask, out: int) -> int:
    started = time.time()
    with suppress(Exception):  # the training will say it
        task.load()
    # A request to stop may come before the training has said what it does then: it waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if training := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return training
    code = 1
    try:
        _write(out, {"ended": _train(task, started, out)})
        code = 0
    except Exception as error:  # our own mistake, or a URI's: trying again would not mend it
        traceback.print_exc()
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        _write(out, {"ended": ["failed", reason]})
        code = 0
    finally:
        os._exit(code)


def _train(task: TrialTask, started: float, out: int) -> tuple[str, str]:
    stopping, nursery = threading.Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def tell(progress: "Progress") -> None:
        # Without a worker or a nursery it is killed too: nobody could stop it.
        if os.getppid() != nursery:
            os._exit(1)
        try:
            _write(out, {"progress": asdict(progress)})
        except BrokenPipeError:
            os._exit(1)

    return task.run(
        started=started,
        on_progress=tell,
        should_stop=stopping.is_set,
    )


def _write(out: int, message: dict[str, Any]) -> None:
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(out, line) :]


if __name__ == "__main__":
    main()
