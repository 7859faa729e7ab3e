"""Lease of a sweep in an object store, held by one launch at a time.

An object store has no lock that ends with its holder. The lease is an object that its holder
rewrites every ``BEAT_SECONDS``. A launch that finds one watches it for ``DEAD_SECONDS``: if the
lease changes, its holder is alive; otherwise the launch takes over. Not all stores have
compare-and-swap, so two launches that start at the same moment may both write. Each reads its lease
back after ``SETTLE_SECONDS``, and all but the last writer give up.

Two launches may still train at once for a while, if a write takes longer than ``SETTLE_SECONDS``,
or if a holder was cut off from the store for ``DEAD_SECONDS`` and returns. Then the launch whose
token is no longer in the lease ends: its workers check every few seconds (``worker/upload.py``),
and only the steps since their newest checkpoint are lost.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gan.errors import HeldError, UserError
from orchestrator.store.object_store import ObjectStore, answer_of
from orchestrator.store.paths import LOCK

BEAT_SECONDS = 10.0
DEAD_SECONDS = 30.0
SETTLE_SECONDS = 2.0
POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """Holder of a sweep."""

    host: str
    process: int
    started: str
    token: str
    beat: int = 0
    """Number of times that the lease was rewritten."""
    ended: bool = False
    machine: str = ""
    """Identifier that differs even between clones of a machine with the same host name."""

    @property
    def holder(self) -> str:
        """Process, host and start of the holder, for messages."""
        return f"process {self.process} on {self.host}, since {self.started}"

    @property
    def is_over(self) -> bool:
        """Whether the lease is known, without waiting, to have no live holder."""
        if self.ended:
            return True
        if self.machine != this_machine():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


def this_machine() -> str:
    """Return an identifier of this machine and its PID namespace, which sets containers apart."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        processes = Path("/proc/self/ns/pid").readlink()
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"
    return f"{socket.gethostname()} {start} {processes}"


def read_lease(storage: ObjectStore, sweep: str) -> Lease | None:
    """Read the current or last lease of a sweep; return None if there is none or it is damaged.

    Raises:
        OSError: the store fails.
    """
    try:
        return Lease(**json.loads(storage.read(f"{sweep}/{LOCK}")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def live_lease(storage: ObjectStore, sweep: str) -> Lease | None:
    """Return the lease of a live launch; may take ``DEAD_SECONDS`` to detect a dead one.

    Raises:
        OSError: the store fails.
    """
    first = found = read_lease(storage, sweep)
    until = time.monotonic() + DEAD_SECONDS
    while found is not None and not found.is_over:
        if found != first:
            return found
        if time.monotonic() > until:
            return None
        time.sleep(POLL_SECONDS)
        found = read_lease(storage, sweep)
    return None


class LeaseWatch:
    """Watch over a sweep's lease in single looks, for a reader that must not wait for its beat."""

    def __init__(self, storage: ObjectStore, sweep: str) -> None:
        self._storage, self._sweep = storage, sweep
        self._last: Lease | None = None
        self._changed = 0.0

    def is_live(self) -> bool:
        """Whether a launch may hold the sweep: its lease changed in the last ``DEAD_SECONDS``.

        The first look counts as a change. A store that does not answer changes nothing.

        Raises:
            OSError: the store fails.
        """
        found = read_lease(self._storage, self._sweep)
        now = time.monotonic()
        if found != self._last:
            self._last, self._changed = found, now
        return found is not None and not found.is_over and now - self._changed < DEAD_SECONDS


@contextmanager
def hold_lease(
    storage: ObjectStore, sweep: str, what: str, say: Callable[[str], None]
) -> Iterator[str]:
    """Hold the sweep at this path within the context; yield the token that workers look for.

    The error of a refusal begins with ``what``; ``say`` receives a line if a wait is needed.

    Raises:
        HeldError: another launch holds the sweep; the message names its host, process and start.
        UserError: the store fails or refuses.
    """
    try:
        lease = _take(storage, sweep, what, say)
    except OSError as error:
        raise UserError(f"--storage: {storage.uri}: {answer_of(error)}") from None
    ending = threading.Event()
    beating = threading.Thread(target=_beat, args=(storage, sweep, lease, ending), daemon=True)
    beating.start()
    try:
        yield lease.token
    finally:
        ending.set()
        beating.join()


def _take(storage: ObjectStore, sweep: str, what: str, say: Callable[[str], None]) -> Lease:
    found = read_lease(storage, sweep)
    if found is not None and not found.is_over:
        say(f"Looking for up to {DEAD_SECONDS:g} s whether it still runs: {found.holder}")
        if (holder := live_lease(storage, sweep)) is not None:
            raise HeldError(f"{what} already: {holder.holder}")
    started = time.strftime("%Y-%m-%d %H:%M:%S %z")
    lease = Lease(
        socket.gethostname(),
        os.getpid(),
        started,
        secrets.token_hex(8),
        machine=this_machine(),
    )
    _write(storage, sweep, lease)
    time.sleep(SETTLE_SECONDS)
    now = read_lease(storage, sweep)
    if now != lease:
        raise HeldError(f"{what} already: {now.holder if now else 'by another process'}")
    return lease


def _beat(storage: ObjectStore, sweep: str, lease: Lease, ending: threading.Event) -> None:
    """Rewrite the lease until the holder ends, which it then records, or is replaced."""
    while True:
        ended = ending.wait(BEAT_SECONDS)
        lease = replace(lease, beat=lease.beat + 1, ended=ended)
        with suppress(OSError):  # the next may succeed; after ``DEAD_SECONDS`` others take over
            now = read_lease(storage, sweep)
            if now is not None and now.token != lease.token:
                log.warning("another launch has taken over: %s", now.holder)
                return
            _write(storage, sweep, lease)
        if ended:
            return


def _write(storage: ObjectStore, sweep: str, lease: Lease) -> None:
    storage.write(f"{sweep}/{LOCK}", json.dumps(asdict(lease)).encode())
