"""Store of a sweep in a directory that every node sees."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.store.lock import is_locked, lock
from orchestrator.store.paths import PRUNED, STOP, sweep_directory


class LocalSweep:
    """Sweep in a directory that every node sees; see ``ObjectSweep`` for object stores."""

    def __init__(self, runs: Path, sweep: str) -> None:
        self.root = runs
        """Directory that has ``sweeps/NAME``."""
        self.directory = sweep_directory(runs, sweep)
        self.shown = str(self.directory)
        """For people."""

    def open(self) -> None:
        """Do nothing: the directory is always up to date."""

    def require_launched(self) -> None:
        """Do nothing: every reader of the manifest sees whether it is there."""

    def hold(self, what: str, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold the sweep while the context lasts.

        Args:
            what: is already being done, in a refusal.
            say: is told if it has to wait.

        Raises:
            UserError: another launch holds it.
        """
        return lock(self.directory, what)

    def is_held(self) -> bool:
        """Whether a launch holds the sweep."""
        return bool(is_locked(self.directory))

    def publish(self, name: str) -> None:
        """Do nothing: every node sees a file of the directory."""

    publish_soon = publish

    def refresh(self, key: str, *, generator: bool = False) -> None:
        """Do nothing: the directory is always up to date."""

    def task_fields(self, key: str) -> dict[str, str]:
        """Return what a worker needs beside the directory, as fields of a ``TrialTask``."""
        return {}

    def ask_to_stop(self, key: str = "") -> None:
        """Ask the sweep, or one of its trials, for a checkpoint and an end."""
        file = self.directory / key / STOP
        file.parent.mkdir(exist_ok=True)  # a trial may not have begun yet
        file.touch()

    ask_to_stop_soon = ask_to_stop

    def is_asked_to_stop(self) -> bool:
        """Whether the sweep is asked to stop."""
        return (self.directory / STOP).exists()

    def forget_stop(self) -> None:
        """Remove the request that the sweep stop."""
        (self.directory / STOP).unlink(missing_ok=True)

    def forget(self, keys: Iterable[str]) -> None:
        """Remove requests that some of its trials stop, and their prune markers."""
        for key in keys:
            for name in (STOP, PRUNED):
                (self.directory / key / name).unlink(missing_ok=True)
