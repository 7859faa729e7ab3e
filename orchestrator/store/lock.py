"""One process at a time for a sweep, and for a trial: held by a lock that ends with its holder."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan.errors import UserError

FILE = "claim.json"
POLL_SECONDS = 0.2


@contextmanager
def claim(directory: Path, what: str, *, patience: float = 1.0) -> Iterator[None]:
    """Hold a directory while the context lasts; the system lets go of it when the process dies.

    Args:
        directory: exists; on a network file system only if that has locks (NFS 4 has).
        what: in a refusal, is already being done.
        patience: seconds to wait for another holder to end.

    Raises:
        UserError: another process holds it; names its host, process and start.
    """
    file = directory / FILE
    until = time.monotonic() + patience
    with file.open("a+") as held:
        while not _locked(held.fileno()):
            if time.monotonic() >= until:
                raise UserError(f"{what} already: {_holder(file)}")
            time.sleep(POLL_SECONDS)
        held.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S %z")
        json.dump({"host": socket.gethostname(), "process": os.getpid(), "started": started}, held)
        held.flush()
        yield


def is_claimed(directory: Path) -> bool:
    """Whether a process holds a directory now."""
    return bool(is_held(directory))


def is_held(directory: Path) -> bool | None:
    """Whether a process holds a directory now; None if none ever did."""
    try:
        with (directory / FILE).open() as file:
            # Shared: others may look at the same time, and who may only read it.
            return not _locked(file.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return None


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
        return "by another process"  # which has only just begun
