"""Lock of a directory on a disk, which the system releases when its process dies."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan.errors import HeldError, UserError
from orchestrator.store.paths import LOCK

POLL_SECONDS = 0.2


@contextmanager
def lock(directory: Path, what: str, *, patience: float = 1.0) -> Iterator[None]:
    """Hold an existing directory within the context; the error of a refusal begins with ``what``.

    ``patience`` is in seconds. A network file system must support locks (NFS 4 does).

    Raises:
        HeldError: another process holds it; the message names its host, process and start.
        UserError: its file system has no locks.
    """
    file = directory / LOCK
    until = time.monotonic() + patience
    with file.open("a+") as held:
        while not _locked_or_refused(held.fileno(), directory):
            if time.monotonic() >= until:
                raise HeldError(f"{what} already: {_holder(file)}")
            time.sleep(POLL_SECONDS)
        held.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S %z")
        json.dump({"host": socket.gethostname(), "process": os.getpid(), "started": started}, held)
        held.flush()
        yield


def is_locked(directory: Path) -> bool | None:
    """Whether a process holds a directory now; None if none ever did, or no lock can tell."""
    try:
        with (directory / LOCK).open() as file:
            # Shared: several processes may check at once, also without write permission.
            return not _locked(file.fileno(), fcntl.LOCK_SH)
    except OSError:
        return None


def _locked_or_refused(descriptor: int, directory: Path) -> bool:
    try:
        return _locked(descriptor)
    except OSError as error:
        raise UserError(
            f"{directory}: its file system has no locks ({error.strerror}); use one that has, such "
            "as a local disk or NFS 4"
        ) from None


def _locked(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: Path) -> str:
    try:
        holder = json.loads(file.read_text())
        return f"process {holder['process']} on {holder['host']}, since {holder['started']}"
    except (OSError, ValueError, KeyError):
        return "by another process"  # which has not written its name yet
