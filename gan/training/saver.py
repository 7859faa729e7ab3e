"""Checkpoints, written while the training continues."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gan import checkpoint

KEEP_CHECKPOINTS = 2


class Saver:
    """Writer of checkpoints in a background thread, one at a time.

    The content is bytes, which the continuing training does not change.
    """

    def __init__(self, trial: Path) -> None:
        self.durable_step = 0
        """Step of the newest complete checkpoint, from which the trial resumes if killed now."""
        self._trial = trial
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._writing: Future[float] | None = None
        self._step = 0
        self._began = self._ended = 0.0

    def close(self) -> None:
        """Wait for the last write."""
        self._thread.shutdown()

    def put(self, step: int, files: Mapping[str, bytes], began: float) -> None:
        """Start writing a checkpoint, once the previous one is written.

        Args:
            step: step of the checkpoint.
            files: content of the checkpoint's files by name.
            began: time at which work on the checkpoint began, by the monotonic clock.

        Raises:
            TrainingError: the previous checkpoint could not be written.
        """
        self.wait()
        self._step, self._began = step, began
        self._writing = self._thread.submit(_write, self._trial, step, files)

    def look(self) -> bool:
        """Return whether a checkpoint has been written since the last call.

        Raises:
            TrainingError: the checkpoint could not be written.
        """
        if self._writing is None or not self._writing.done():
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Wait until the checkpoint in progress is written.

        Raises:
            TrainingError: storage refuses it, or fails for longer than
                ``checkpoint.RETRY_SECONDS``.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._ended = writing.result()
            self.durable_step = self._step

    def seconds(self) -> float:
        """Return the seconds that the newest checkpoint took, or has taken so far."""
        return (self._ended if self._writing is None else time.monotonic()) - self._began


def _write(trial: Path, step: int, files: Mapping[str, bytes]) -> float:
    checkpoint.persist(lambda: checkpoint.write(trial, step, files), trial)
    checkpoint.prune(trial, KEEP_CHECKPOINTS)
    return time.monotonic()
