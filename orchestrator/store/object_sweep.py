"""Store of a sweep in an object store, with a mirror below ``runs`` for the driver and ``status``.

The mirror has the layout of a sweep on disk. For each trial it holds the newest sound checkpoint
without the training state, the sample grids and the attempt log.
"""

import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from gan import checkpoint
from gan.errors import UserError
from gan.plain_text import there_are
from orchestrator.store.lease import SETTLE_SECONDS, hold_lease, live_lease
from orchestrator.store.lock import lock
from orchestrator.store.manifest import is_launched
from orchestrator.store.object_checkpoint import fetch_newest
from orchestrator.store.object_store import (
    Entry,
    ObjectStore,
    StorageError,
    answer_of,
    with_retries,
)
from orchestrator.store.paths import (
    ATTEMPTS,
    ERROR,
    MANIFEST,
    PRUNED,
    TAKEN_OVER,
    mirror_root,
    stop_object,
)
from reports.owner import FILE as OWNER
from reports.owner import Owner, new_id, require_id

LOOK_SECONDS = 5.0
THREADS = 16
TRIES = 3
SMALL = re.compile(
    rf"({ATTEMPTS}/[0-9][^/]*\.json|samples/step-\d+\.png"
    rf"|{re.escape(ERROR)}|{re.escape(PRUNED)}|{re.escape(TAKEN_OVER)})"
)


class ObjectSweep:
    """Sweep in an object store, and its mirror on this machine."""

    def __init__(self, uri: str, runs: Path, sweep: str) -> None:
        """Parse the URI; nothing is sent yet.

        Raises:
            UserError: the URI is not that of an object store.
        """
        self.storage = ObjectStore(uri)
        self.uri = uri
        self.shown = self.storage.uri
        """Location for messages."""
        self.path = f"sweeps/{sweep}"
        """Path of the sweep in the store."""
        self.root = mirror_root(runs, uri)
        """Directory with the layout of ``runs``."""
        self.directory = self.root / self.path
        self._token = ""
        self._asked = False
        self._look_at = 0.0

    def refresh(self, key: str = "", *, generator: bool = False) -> None:
        """Update the whole mirror, or only the trial ``key``, on request with its generator.

        Raises:
            OSError: the store fails or refuses.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".refresh").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a launch and status may share the mirror
            for tries_left in reversed(range(TRIES)):
                try:
                    return self._refresh(key, generator)
                except FileNotFoundError:  # replaced by a newer one since the listing
                    if not tries_left:
                        raise

    def open(self) -> None:
        """Check that the store exists, and update the mirror.

        Raises:
            UserError: the store does not exist, fails or refuses.
        """
        with self.in_one_line():
            self.storage.check()
            self.refresh()

    @contextmanager
    def in_one_line(self) -> Iterator[None]:
        """Turn an OSError within the context into a UserError with the store's answer."""
        try:
            yield
        except OSError as error:
            raise UserError(f"--storage: {self.storage.uri}: {answer_of(error)}") from None

    def launched_sweeps(self) -> list[str]:
        """List the names of the sweeps in the store.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            records = {f"sweeps/{n}/{MANIFEST}": n for n in self.storage.folders("sweeps")}
            return [records[path] for path in self.storage.existing([*records])]

    def require_launched(self) -> None:
        """Check that the sweep was launched.

        Raises:
            UserError: it was not; the message lists those that were.
        """
        if is_launched(self.directory):
            return
        known = self.launched_sweeps()
        sweep = self.directory.name
        raise UserError(f"{sweep}: no such sweep in {self.storage.uri}{there_are(sweep, known)}")

    @contextmanager
    def hold(self, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the sweep within the context (``hold_lease``), with the mirror up to date.

        Raises:
            HeldError: another launch holds it; UserError: the store fails or refuses.
        """
        with (
            lock(self.directory, what),
            hold_lease(self.storage, self.path, what, say) as self._token,
        ):
            self.open()
            yield

    def is_held(self) -> bool:
        """Whether a launch holds the sweep; may take ``DEAD_SECONDS`` to detect a dead one.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            return live_lease(self.storage, self.path) is not None

    def task_fields(self, key: str) -> dict[str, str]:
        """Return the fields of a ``TrialTask`` that locate the trial in the store."""
        return {"storage": self.uri, "path": f"{self.path}/{key}", "token": self._token}

    def owner(self) -> Owner:
        """Return the owner of the sweeps in the store, made by the first launch.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            if not self.storage.existing([OWNER]):
                self.storage.write(OWNER, new_id().encode())
                time.sleep(SETTLE_SECONDS)  # of several first launches, the last writer's id stays
            known = require_id(self.storage.read(OWNER), f"{self.shown}/{OWNER}")
            return Owner(known, self.shown)

    def known_owner(self) -> Owner | None:
        """Return the owner of the sweeps in the store; None if nothing was launched into it.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            return self.owner() if self.storage.existing([OWNER]) else None

    def publish(self, name: str) -> None:
        """Upload a file of the mirror.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        send = partial(self.storage.upload, self.directory / name, f"{self.path}/{name}")
        with_retries(send, self.shown)

    def publish_soon(self, name: str) -> None:
        """Upload the current content of a file of the mirror in the background."""
        content = (self.directory / name).read_bytes()
        self._in_background(partial(self.storage.write, f"{self.path}/{name}", content))

    def _in_background(self, call: Callable[[], None]) -> None:
        """Call from a new thread, repeatedly while the store fails."""

        def run() -> None:
            with suppress(StorageError):
                with_retries(call, self.shown)

        threading.Thread(target=run, daemon=True).start()

    def ask_to_stop(self, key: str = "") -> None:
        """Ask the sweep, or one of its trials, to stop after a checkpoint.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            self._ask_to_stop(key)

    def _ask_to_stop(self, key: str = "") -> None:
        self.storage.write(stop_object(self.path, key), b"stop")

    def ask_to_stop_soon(self) -> None:
        """Ask the sweep to stop in the background, repeatedly while the store fails."""
        self._asked = True
        self._in_background(self._ask_to_stop)

    def is_asked_to_stop(self) -> bool:
        """Whether the sweep has a stop request, checked every ``LOOK_SECONDS``."""
        if not self._asked and time.monotonic() >= self._look_at:
            with suppress(OSError):  # no answer is no request
                self._asked = bool(self.storage.existing([stop_object(self.path)]))
            self._look_at = time.monotonic() + LOOK_SECONDS
        return self._asked

    def forget_stop(self) -> None:
        """Remove the stop request of the sweep; if that fails, the next launch does it."""
        self._asked = False
        with suppress(OSError):
            self._remove([stop_object(self.path)])

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the stop requests and prune markers of trials.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        keys = list(keys)
        paths = [f"{self.path}/{key}/{PRUNED}" for key in keys]
        paths += [stop_object(self.path, key) for key in keys]
        with_retries(partial(self._remove, paths), self.shown)
        for key in keys:
            (self.directory / key / PRUNED).unlink(missing_ok=True)

    def _remove(self, paths: Sequence[str]) -> None:
        for path in self.storage.existing(paths):
            self.storage.remove(path)

    def _refresh(self, key: str, generator: bool) -> None:
        found = self.storage.entries(f"{self.path}/{key}".rstrip("/"))
        if key:
            self._refresh_trial(key, found, generator=generator)
            return
        if MANIFEST in found:
            self._fetch(MANIFEST, found[MANIFEST])
        else:
            (self.directory / MANIFEST).unlink(missing_ok=True)
        trials: dict[str, dict[str, Entry]] = {}
        for name, entry in found.items():
            trial, _, rest = name.partition("/")
            if rest:
                trials.setdefault(trial, {})[rest] = entry
        for checkpoints in self.directory.glob("*/checkpoints"):
            if checkpoints.parent.name not in trials:
                shutil.rmtree(checkpoints)  # the trial is gone from the store
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda t: self._refresh_trial(t, trials[t]), trials):
                pass

    def _refresh_trial(
        self, key: str, found: Mapping[str, Entry], *, generator: bool = False
    ) -> None:
        for name, entry in found.items():
            if SMALL.fullmatch(name):
                self._fetch(f"{key}/{name}", entry)
        trial = self.directory / key
        if PRUNED not in found:
            (trial / PRUNED).unlink(missing_ok=True)
        names = (checkpoint.TRIAL, checkpoint.CONFIG, *[checkpoint.GENERATOR] * generator)
        kept = fetch_newest(self.storage, f"{self.path}/{key}", found, trial, names)
        for path in checkpoint.checkpoints_of(trial).glob("step-*"):
            if path != kept:
                shutil.rmtree(path)

    def _fetch(self, name: str, entry: Entry) -> None:
        """Copy a small object, unless the mirror has it."""
        file = self.directory / name
        if file.exists():
            known = file.stat()
            if (known.st_size, known.st_mtime_ns) == (entry.size, entry.time):
                return
        checkpoint.write_file(file, self.storage.read(f"{self.path}/{name}"))
        os.utime(file, ns=(entry.time, entry.time))
