"""Store of a sweep in a directory that all nodes share."""

import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gan.errors import UserError
from orchestrator.store.lock import is_locked, lock
from orchestrator.store.paths import PRUNED, STOP, TOKEN, sweep_directory
from reports.owner import Owner, owner_in

LOOK_SECONDS = 0.5
PATIENCE = 15.0
"""Seconds to wait for a launch's token: a network file system may show it late."""


class LocalSweep:
    """Sweep in a directory that all nodes share; ``ObjectSweep`` is for object stores."""

    uri = None

    def __init__(self, runs: Path, sweep: str) -> None:
        self.root = runs
        """Directory that contains ``sweeps/NAME``."""
        self.directory = sweep_directory(runs, sweep)
        self.shown = str(self.directory)
        """Location for messages."""
        self._token = ""

    def open(self) -> None:
        """Do nothing: the directory is always up to date."""

    def require_launched(self) -> None:
        """Do nothing: readers of the manifest check that it exists."""

    @contextmanager
    def hold(self, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the sweep within the context; the error of a refusal begins with ``what``.

        Raises:
            HeldError: another launch holds the sweep.
        """
        with lock(self.directory, what):
            # A new one for each launch: a node may have a copy of the directory.
            self._token = secrets.token_hex(16)
            (self.directory / TOKEN).write_text(self._token)
            yield

    def is_held(self) -> bool:
        """Whether a launch holds the sweep."""
        return bool(is_locked(self.directory))

    def owner(self) -> Owner:
        """Return the owner of the sweeps below ``runs``.

        Raises:
            UserError: the directory cannot be written to.
        """
        return owner_in(self.root)

    def publish(self, name: str) -> None:
        """Do nothing: all nodes share the directory."""

    publish_soon = publish

    def refresh(self, key: str, *, generator: bool = False) -> None:
        """Do nothing: the directory is always up to date."""

    def task_fields(self, key: str) -> dict[str, str]:
        """Return the fields of a ``TrialTask`` beyond the directory."""
        return {"token": self._token}

    def ask_to_stop(self, key: str = "") -> None:
        """Ask the sweep, or one of its trials, to stop after a checkpoint."""
        file = self.directory / key / STOP
        file.parent.mkdir(exist_ok=True)  # a trial may not have begun yet
        file.touch()

    ask_to_stop_soon = ask_to_stop

    def is_asked_to_stop(self) -> bool:
        """Whether the sweep has a stop request."""
        return (self.directory / STOP).exists()

    def forget_stop(self) -> None:
        """Remove the stop request of the sweep."""
        (self.directory / STOP).unlink(missing_ok=True)

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the stop requests and prune markers of trials."""
        for key in keys:
            for name in (STOP, PRUNED):
                (self.directory / key / name).unlink(missing_ok=True)


def require_shared(sweep: Path, token: str) -> None:
    """Check on a node that its view of a sweep's directory is the launch's.

    Raises:
        UserError: the directory has not shown the launch's ``token`` for ``PATIENCE``.
    """
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError, UnicodeDecodeError):
            if (sweep / TOKEN).read_text() == token:
                return
        if time.monotonic() >= until:
            raise UserError(
                f"{sweep}: node {socket.gethostname()} does not share this directory with the "
                "launch; put --runs on storage that all nodes mount at the same path, or launch "
                "with --storage s3://BUCKET/PREFIX"
            )
        time.sleep(LOOK_SECONDS)
