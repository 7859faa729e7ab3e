"""Checkpoints of a training, written while it goes on."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gan import checkpoint

KEEP_CHECKPOINTS = 2


class Saver:
    """Writes checkpoints in a thread of its own, one at a time; as a context, waits for the last.

    What is written is bytes that no training changes.
    """

    def __init__(self, trial: Path, durable_step: int) -> None:
        """Take note of the trial's directory, and of the step of its newest checkpoint."""
        self.durable_step = durable_step
        """Of the newest checkpoint that is written: what a kill now would leave."""
        self._trial = trial
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._writing: Future[float] | None = None
        self._step = 0
        self._began = self._ended = 0.0

    def __enter__(self) -> "Saver":
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def put(self, step: int, files: Mapping[str, bytes], began: float) -> None:
        """Begin to write a checkpoint; one that is being written is waited for.

        Args:
            step: of the checkpoint.
            files: its content.
            began: when it was begun with, by the monotonic clock.

        Raises:
            TrainingError: the one before could not be written.
        """
        self.wait()
        self._step, self._began = step, began
        self._writing = self._thread.submit(_write, self._trial, step, files)

    def look(self) -> bool:
        """Whether what was put has been written since the last look.

        Raises:
            TrainingError: it could not be.
        """
        if self._writing is None or not self._writing.done():
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Wait until what was put is written.

        Raises:
            TrainingError: storage refuses it, or fails for longer than
                ``checkpoint.RETRY_SECONDS``.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._ended = writing.result()
            self.durable_step = self._step

    def seconds(self) -> float:
        """What the newest took; until now, if it is being written."""
        return (self._ended if self._writing is None else time.monotonic()) - self._began


def write(trial: Path, step: int, files: Mapping[str, bytes]) -> None:
    """Write a checkpoint, then remove those that are no longer needed.

    Raises:
        TrainingError: storage refuses it, or fails for longer than ``checkpoint.RETRY_SECONDS``.
    """
    checkpoint.persist(lambda: checkpoint.write(trial, step, files), trial)
    checkpoint.prune(trial, KEEP_CHECKPOINTS)


def _write(trial: Path, step: int, files: Mapping[str, bytes]) -> float:
    write(trial, step, files)
    return time.monotonic()
