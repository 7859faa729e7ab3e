"""Process that trains one trial at a time, each in a fork of its own.

A Ray worker keeps one such process, which has imported everything and loaded the pictures. Where a
training is killed (out of memory, a fault of a driver), the next is there in a second instead of a
quarter of a minute, and nothing that it broke is left. And training never waits for the launch to
take note of its progress.

Both sides talk through a pipe of pickled objects. In: a ``TrialTask``, or ``STOP``. Out: a
``TrialEvent`` about once a second and at the end; one of phase *died* follows a training that was
killed.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait

from orchestrator.store.events import TrialEvent
from orchestrator.worker.run import TrialTask, run
from orchestrator.worker.stop_signal import StopReason, StopSignal
from reports.phase import TrialPhase

IMPORTED = (
    *("gan.training.trainer", "gan.evaluation.fid", "safetensors.torch", "numpy.random"),
    *("PIL.PngImagePlugin", "PIL.JpegImagePlugin"),
)
"""Modules that a training needs, some of which it would import on its way."""
STOP = "stop"
LOOK_SECONDS = 1.0


class Died(Exception):
    """A training's process ended without a word."""


class TrainingProcess:
    """Process that trains, as a Ray worker sees it."""

    def __init__(self, threads: int) -> None:
        """Start it; the first task waits until it has imported everything."""
        self._pipe, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.worker.process", str(other.fileno())],
                pass_fds=[other.fileno()],
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # Ctrl-C is for the launch, which asks for checkpoints
            )

    def train(
        self,
        task: TrialTask,
        emit: Callable[[TrialEvent], None],
        should_stop: Callable[[], bool],
    ) -> TrialEvent:
        """Train a trial.

        Args:
            task: the trial.
            emit: called with an event about once a second.
            should_stop: asked about once a second; if so, a checkpoint is taken.

        Returns:
            The last event, like ``run``.

        Raises:
            Died: the training's process was killed, or the one that it was forked from.
        """
        try:
            self._pipe.send(task)
            stopping = False
            while True:
                if not stopping and (stopping := should_stop()):
                    self._pipe.send(STOP)
                if self._pipe.poll(LOOK_SECONDS):
                    event: TrialEvent = self._pipe.recv()
                    if event.phase is TrialPhase.DIED:
                        raise Died(event.reason)
                    if not event.phase.is_active:
                        return event
                    emit(event)
        except (EOFError, OSError):
            raise Died("with the process that it was forked from") from None

    @property
    def is_alive(self) -> bool:
        """Whether it can train."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, and what it trains, at once."""
        self._pipe.close()
        self._process.wait()


def main() -> None:
    """Fork a training for each task; ends, with the training, when the worker does."""
    pipe = Connection(int(sys.argv[1]))
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    from gan.versions import versions

    versions()  # asks git, and is remembered
    # Threads do not live on in a fork, which would wait for them for ever.
    torch.set_num_threads(1)
    training: _Training | None = None
    with suppress(EOFError, OSError):  # the worker is dead
        while True:
            ready = wait([pipe] if training is None else [pipe, training.events])
            if training is not None and training.events in ready:
                event = training.next_event()
                if not event.phase.is_active:
                    training.end()
                    training = None
                pipe.send(event)
            if pipe in ready:
                message = pipe.recv()
                if isinstance(message, TrialTask):
                    if training is not None:
                        training.end()
                    training = _Training(message, pipe)
                elif training is not None:
                    training.process.terminate()
    if training is not None:
        training.end()


class _Training:
    """Fork that trains one trial."""

    def __init__(self, task: TrialTask, worker: Connection) -> None:
        started = time.time()
        with suppress(Exception):  # the training will say it
            task.load()
        self._key = task.key
        self.events, events = Pipe(duplex=False)
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(
            target=_train, args=(task, started, events, [worker, self.events])
        )
        # A request to stop may come before the training can handle it: it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        events.close()

    def next_event(self) -> TrialEvent:
        """Return the next event; of phase *died* where the process was killed."""
        try:
            event: TrialEvent = self.events.recv()
            return event
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return TrialEvent(self._key, TrialPhase.DIED, reason=how)

    def end(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.process.join()
        self.events.close()


def _train(task: TrialTask, started: float, events: Connection, theirs: list[Connection]) -> None:
    for connection in theirs:
        connection.close()  # else nobody would notice the death of the process before this
    stop = StopSignal()
    signal.signal(signal.SIGTERM, lambda *_: stop.set(StopReason.NODE))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def emit(event: TrialEvent) -> None:
        try:
            events.send(event)
        except OSError:  # nobody could stop it any more
            os._exit(1)

    try:
        emit(run(task, started, emit, stop))
    except Exception as error:  # our own mistake: trying again would not mend it
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        emit(TrialEvent(task.key, TrialPhase.FAILED, reason=reason))
    os._exit(0)  # at once: nothing is left to be saved


if __name__ == "__main__":
    main()
