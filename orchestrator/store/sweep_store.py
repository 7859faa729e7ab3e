"""Where a sweep lives: in a directory that every node sees, or in an object store."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.store.lock import claim, is_claimed
from orchestrator.store.manifest import launched
from orchestrator.store.object_mirror import Mirror
from orchestrator.store.prune_marker import mark_file
from orchestrator.store.trial_state import Places, stop_file, sweep_directory


class OnDisk:
    """A sweep in a directory that every node sees; ``Mirror`` does the same for object stores."""

    def __init__(self, runs: Path, sweep: str) -> None:
        """Take note of where."""
        self.root = runs
        """What has ``sweeps/NAME``."""
        self.directory = sweep_directory(runs, sweep)
        self.shown = str(self.directory)
        """For people."""

    def open(self) -> None:
        """See that it is there, and bring what is to be looked at up to date."""

    def require_launched(self) -> None:
        """See that the sweep was launched; whoever reads its record does."""

    def claim(self, what: str, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold the sweep while the context lasts.

        Args:
            what: in a refusal, is already being done.
            say: is told if it has to wait.

        Raises:
            UserError: another launch holds it.
        """
        return claim(self.directory, what)

    def is_claimed(self) -> bool:
        """Whether a launch holds the sweep."""
        return is_claimed(self.directory)

    def publish(self, name: str) -> None:
        """Let all see a file of the directory that was written."""

    publish_soon = publish

    def refresh(self, key: str) -> None:
        """Bring what is to be looked at of a trial up to date, its generator too."""

    def task(self, key: str) -> dict[str, str]:
        """Return what a worker has to know beside the directory, as fields of a TrialTask."""
        return {}

    def ask_to_stop(self, key: str = "") -> None:
        """Ask the sweep, or one of its trials, for a checkpoint and an end."""
        file = stop_file(self.directory / key)
        file.parent.mkdir(exist_ok=True)  # a trial may wait for its turn yet
        file.touch()

    ask_to_stop_soon = ask_to_stop

    def is_asked_to_stop(self) -> bool:
        """Whether the sweep is asked to."""
        return stop_file(self.directory).exists()

    def forget_stop(self) -> None:
        """Forget what was asked of the sweep."""
        stop_file(self.directory).unlink(missing_ok=True)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget what was asked of some of its trials, by people and by schedulers."""
        for key in keys:
            for file in (stop_file(self.directory / key), mark_file(self.directory / key)):
                file.unlink(missing_ok=True)


Home = OnDisk | Mirror


def home_of(places: Places, sweep: str) -> Home:
    """Return where a sweep lives.

    Raises:
        UserError: the URI is none of an object store.
    """
    if places.storage is None:
        return OnDisk(places.runs, sweep)
    return Mirror(places.storage, places.runs, sweep)


def root_of(places: Places, sweep: str, *, launched: bool) -> Path:
    """Return what has ``sweeps/NAME``, brought up to date where it is a mirror.

    Raises:
        UserError: the object store is not there, or lacks a sweep that is to be launched already.
    """
    home = home_of(places, sweep)
    home.open()
    if launched:
        home.require_launched()
    return home.root


def launched_sweeps(places: Places) -> list[str]:
    """List the sweeps that were launched by name.

    Raises:
        UserError: the object store is not there.
    """
    if places.storage is None:
        return launched(places.runs)
    return Mirror(places.storage, places.runs, "").launched()
