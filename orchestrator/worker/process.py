"""Process that trains one trial at a time, each in a fork of its own.

A Ray worker keeps one such process, which has imported all modules and loaded the pictures. After a
training is killed (out of memory, driver fault), the next one starts in a second instead of a
quarter of a minute, in a clean state. Training never waits for the launch to read its progress.

Both sides exchange pickled objects through a pipe. In: a ``TrialTask``, or ``STOP_REQUEST``. Out: a
``TrialEvent`` about once a second and at the end, of phase *died* if the training was killed; or an
``ImportError`` at the start.
"""

import gc
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

from setproctitle import setproctitle

from gan.plain_text import masked, plain
from orchestrator.store.events import TrialEvent
from orchestrator.worker.run import TrialTask, run
from orchestrator.worker.stop_signal import StopReason, StopSignal
from reports.phase import TrialPhase

IMPORTED = (
    "gan.training.trainer",
    "gan.evaluation.fid",
    "safetensors.torch",
    "numpy.random",
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
)
"""Modules that a training needs, including some that it would import late."""
STOP_REQUEST = "stop"
LOOK_SECONDS = 1.0


class Died(Exception):
    """Death of a training's process without a last event."""


class TrainingProcess:
    """Process that trains, seen from its Ray worker."""

    def __init__(self, threads: int) -> None:
        """Start the process; the first task waits until all imports are done."""
        self._pipe, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                # -P: else modules of this directory, which is the user's, would come before ours.
                [sys.executable, "-P", "-m", "orchestrator.worker.process", str(other.fileno())],
                pass_fds=[other.fileno()],
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
                start_new_session=True,  # only the launch gets Ctrl-C, and asks to stop
            )

    def train(
        self,
        task: TrialTask,
        emit: Callable[[TrialEvent], None],
        should_stop: Callable[[], bool],
    ) -> TrialEvent:
        """Train a trial and return the last event, like ``run``.

        About once a second ``emit`` receives an event, and ``should_stop`` is asked whether to stop
        after a checkpoint.

        Raises:
            Died: the training's process, or the one that it was forked from, was killed.
        """
        self._send(task)
        stopping = False
        while True:
            if not stopping and (stopping := should_stop()):
                self._send(STOP_REQUEST)
            try:
                event = self._next_event()
            except ImportError as error:
                return TrialEvent(task.key, TrialPhase.FAILED, reason=str(error))
            if event is None or event.key != task.key:  # or left over from an earlier trial
                continue
            if event.phase is TrialPhase.DIED:
                raise Died(event.reason)
            if not event.phase.is_active:
                return event
            emit(event)

    def _send(self, message: object) -> None:
        with suppress(OSError):  # the process is dead; its last events are still read
            self._pipe.send(message)

    def _next_event(self) -> TrialEvent | None:
        """Wait for an event, at most ``LOOK_SECONDS``."""
        try:
            found: object = self._pipe.recv() if self._pipe.poll(LOOK_SECONDS) else None
        except (EOFError, OSError):
            if (code := self._process.wait()) > 0:  # not killed
                raise ImportError(f"the node cannot train: exit code {code}") from None
            raise Died("with the process that it was forked from") from None
        if isinstance(found, ImportError):
            raise found
        assert found is None or isinstance(found, TrialEvent)
        return found

    @property
    def is_alive(self) -> bool:
        """Whether the process can train."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and its training at once."""
        self._pipe.close()
        self._process.wait()


def main() -> None:
    """Fork a training for each task; end it, and return, when the worker ends."""
    pipe = Connection(int(sys.argv[1]))
    # Looking for garbage among the objects of these modules takes a third of the imports' time,
    # and forks would copy their pages for it.
    gc.disable()
    try:
        for name in IMPORTED:
            importlib.import_module(name)
    except Exception as error:  # a module may do anything; a retry would not help
        traceback.print_exc()
        pipe.send(ImportError(f"the node cannot import {name} ({type(error).__name__}: {error})"))
        return
    import torch

    from gan.versions import versions

    gc.freeze()
    gc.enable()
    versions()  # runs git once and caches the answer for all forks
    # A fork has none of its parent's threads, and would wait for them for ever.
    torch.set_num_threads(1)
    training: _Training | None = None
    # The worker's end; any other error is an internal one, and is printed.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
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
        with suppress(Exception):  # the training will report it
            task.load()
        self._key = task.key
        self.events, events = Pipe(duplex=False)
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(
            target=_train, args=(task, started, events, [worker, self.events])
        )
        # A SIGTERM that comes before the fork can handle it is kept for later.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        events.close()

    def next_event(self) -> TrialEvent:
        """Return the next event, of phase *died* if the process was killed."""
        try:
            event: TrialEvent = self.events.recv()
            return event
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return TrialEvent(self._key, TrialPhase.DIED, reason=how)

    def end(self) -> None:
        """Kill the process if it still runs."""
        self.process.kill()
        self.process.join()
        self.events.close()


def _train(task: TrialTask, started: float, events: Connection, theirs: list[Connection]) -> None:
    for connection in theirs:
        connection.close()  # otherwise the death of the parent would go unnoticed
    setproctitle(f"colorsweep {plain(task.sweep)}: {plain(task.name)}")
    stop = StopSignal()
    signal.signal(signal.SIGTERM, lambda *_: stop.set(StopReason.NODE))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def emit(event: TrialEvent) -> None:
        try:
            events.send(event)
        except OSError:  # the parent is dead: nothing could stop this training
            os._exit(1)

    try:
        emit(run(task, started, emit, stop))
    except Exception as error:  # an internal error: a retry would not help
        print(masked(traceback.format_exc()), file=sys.stderr)
        reason = f"{type(error).__name__}: {error}"
        emit(TrialEvent(task.key, TrialPhase.FAILED, reason=reason))
    os._exit(0)  # at once: nothing is left to save


if __name__ == "__main__":
    main()
