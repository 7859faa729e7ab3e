"""What the driver and ``status`` need of a sweep in an object store, kept below ``runs``.

A mirror is laid out like a sweep on disk. Of each trial it has the newest sound checkpoint, without
the part that only training goes on with, the sample grids and the attempts.
"""

import fcntl
import hashlib
import json
import logging
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
from typing import Any

from gan import checkpoint
from gan.errors import UserError
from orchestrator.store import manifest
from orchestrator.store.lease import lives, remote_claim
from orchestrator.store.lock import claim
from orchestrator.store.object_store import (
    Entry,
    Storage,
    StorageError,
    first_line,
    patiently,
    slug,
)
from orchestrator.store.prune_marker import mark_file
from orchestrator.store.trial_state import stop_object
from orchestrator.sweep.messages import listed, nearest

LOOK_SECONDS = 5.0
THREADS = 16
TRIES = 3
SMALL = re.compile(r"(attempts/[0-9][^/]*\.json|samples/step-\d+\.png|error\.txt|pruned\.json)")
STEP = re.compile(rf"checkpoints/(step-\d+)/{re.escape(checkpoint.MANIFEST)}")

log = logging.getLogger(__name__)


class Mirror:
    """A sweep's copy on this machine."""

    def __init__(self, uri: str, runs: Path, sweep: str) -> None:
        """Take note of where; nothing is asked yet.

        Raises:
            UserError: it is no URI of an object store.
        """
        self.storage = Storage(uri)
        self.uri = uri
        self.shown = self.storage.uri
        """For people."""
        self.path = f"sweeps/{sweep}"
        """Of the sweep in the store."""
        self.root = runs.absolute() / "remote" / slug(uri)
        """Stands for ``runs`` where a sweep is looked for."""
        self.directory = self.root / self.path
        self._token = ""
        self._asked = False
        self._look_at = 0.0

    def refresh(self, key: str = "") -> None:
        """Bring the mirror up to date.

        Args:
            key: of the only trial that matters, whose generator is wanted too once it is
                finished; or nothing for all.

        Raises:
            OSError: the store fails or refuses.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".refresh").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a launch and status may share it
            for tries_left in reversed(range(TRIES)):
                try:
                    return self._refresh(key)
                except FileNotFoundError:  # gone since the listing: a newer one is there
                    if not tries_left:
                        raise

    def open(self) -> None:
        """See that the store is there, and bring the mirror up to date.

        Raises:
            UserError: it is not.
        """
        with self.in_one_line():
            self.storage.check()
            self.refresh()

    @contextmanager
    def in_one_line(self) -> Iterator[None]:
        """Tell the user what the store answered.

        Raises:
            UserError: an OSError was raised within.
        """
        try:
            yield
        except OSError as error:
            raise UserError(f"--storage: {self.storage.uri}: {first_line(error)}") from None

    def launched(self) -> list[str]:
        """List the sweeps in the store by name.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            records = {f"sweeps/{n}/{manifest.FILE}": n for n in self.storage.folders("sweeps")}
            return [records[path] for path in self.storage.existing([*records])]

    def require_launched(self) -> None:
        """See that the sweep was launched.

        Raises:
            UserError: it was not; the message lists those that were.
        """
        if manifest.read_record(self.directory):
            return
        known = self.launched()
        sweep = self.directory.name
        raise UserError(
            f"{sweep}: no such sweep in {self.storage.uri}{nearest(sweep, known)}; "
            f"there are: {listed(known) if known else 'none'}"
        )

    @contextmanager
    def claim(self, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the sweep while the context lasts (``remote_claim``), and bring it up to date.

        Raises:
            UserError: another launch holds it, or the store fails or refuses.
        """
        with (
            claim(self.directory, what),
            remote_claim(self.storage, self.path, what, say) as self._token,
        ):
            self.open()
            yield

    def is_claimed(self) -> bool:
        """Whether a launch holds the sweep; takes ``DEAD_SECONDS`` to see that it is dead.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            return lives(self.storage, self.path) is not None

    def task(self, key: str) -> dict[str, str]:
        """Return what a worker has to know of the store, as fields of a TrialTask."""
        return {"storage": self.uri, "path": f"{self.path}/{key}", "token": self._token}

    def publish(self, name: str) -> None:
        """Bring a file of the mirror to the store.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        send = partial(self.storage.upload, self.directory / name, f"{self.path}/{name}")
        patiently(send, self.shown)

    def publish_soon(self, name: str) -> None:
        """Bring a file of the mirror, as it is now, to the store while others go on."""
        content = (self.directory / name).read_bytes()
        self._soon(partial(self.storage.write, f"{self.path}/{name}", content))

    def _soon(self, call: Callable[[], None]) -> None:
        """Call from a thread of its own, again and again while the store fails."""

        def run() -> None:
            with suppress(StorageError):
                patiently(call, self.shown)

        threading.Thread(target=run, daemon=True).start()

    def ask_to_stop(self, key: str = "") -> None:
        """Ask the sweep, or one of its trials, for a checkpoint and an end.

        Raises:
            UserError: the store fails or refuses.
        """
        with self.in_one_line():
            self._ask_to_stop(key)

    def _ask_to_stop(self, key: str = "") -> None:
        self.storage.write(stop_object(self.path, key), b"stop")

    def ask_to_stop_soon(self) -> None:
        """Ask the sweep from a thread of its own, again and again while the store fails."""
        self._asked = True
        self._soon(self._ask_to_stop)

    def is_asked_to_stop(self) -> bool:
        """Whether the sweep is asked to; the store is looked at every ``LOOK_SECONDS``."""
        if not self._asked and time.monotonic() >= self._look_at:
            with suppress(OSError):  # a store that does not answer asks nothing
                self._asked = bool(self.storage.existing([stop_object(self.path)]))
            self._look_at = time.monotonic() + LOOK_SECONDS
        return self._asked

    def forget_stop(self) -> None:
        """Forget what was asked of the sweep; if the store fails, the next launch does."""
        self._asked = False
        with suppress(OSError):
            self._remove([stop_object(self.path)])

    def forget(self, keys: Iterable[str]) -> None:
        """Forget what was asked of some of its trials, by people and by schedulers.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        keys = list(keys)
        paths = [mark_file(Path(self.path) / key).as_posix() for key in keys]
        paths += [stop_object(self.path, key) for key in keys]
        patiently(partial(self._remove, paths), self.shown)
        for key in keys:
            mark_file(self.directory / key).unlink(missing_ok=True)

    def _remove(self, paths: Sequence[str]) -> None:
        for path in self.storage.existing(paths):
            self.storage.remove(path)

    def _refresh(self, key: str) -> None:
        found = self.storage.entries(f"{self.path}/{key}".rstrip("/"))
        if key:
            self._refresh_trial(key, found, generator=True)
            return
        if manifest.FILE in found:
            self._fetch(manifest.FILE, found[manifest.FILE])
        else:
            (self.directory / manifest.FILE).unlink(missing_ok=True)
        trials: dict[str, dict[str, Entry]] = {}
        for name, entry in found.items():
            trial, _, rest = name.partition("/")
            if rest:
                trials.setdefault(trial, {})[rest] = entry
        for checkpoints in self.directory.glob("*/checkpoints"):
            if checkpoints.parent.name not in trials:
                shutil.rmtree(checkpoints)  # somebody emptied the store
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda t: self._refresh_trial(t, trials[t]), trials):
                pass

    def _refresh_trial(
        self, key: str, found: Mapping[str, Entry], *, generator: bool = False
    ) -> None:
        for name, entry in found.items():
            if SMALL.fullmatch(name):
                self._fetch(f"{key}/{name}", entry)
        mark = mark_file(self.directory / key)
        if mark.name not in found:
            mark.unlink(missing_ok=True)
        steps = sorted((m[1] for name in found if (m := STEP.fullmatch(name))), reverse=True)
        kept = next((s for s in steps if self._mirror(key, s, found, generator)), None)
        for path in checkpoint.checkpoints_of(self.directory / key).glob("step-*"):
            if path.name != kept:
                shutil.rmtree(path)

    def _mirror(self, key: str, step: str, found: Mapping[str, Entry], generator: bool) -> bool:
        """Copy what is wanted of a checkpoint, unless the mirror has it; False if damaged."""
        trial = self.directory / key
        target = checkpoint.checkpoints_of(trial) / step
        at = f"checkpoints/{step}"
        changed = found[f"{at}/{checkpoint.MANIFEST}"].time
        if _changed(target / checkpoint.MANIFEST) == changed and not (
            generator and _lacks_generator(target)
        ):
            return True
        contents = self._read(key, at, found, generator)
        if contents is None:
            where = f"{self.storage.uri}/{self.path}/{key}/{at}"
            log.warning("skipped a damaged checkpoint: %s", where)
            return False
        checkpoint.write(trial, int(step.removeprefix("step-")), contents)
        os.utime(target / checkpoint.MANIFEST, ns=(changed, changed))
        return True

    def _read(
        self, key: str, at: str, found: Mapping[str, Entry], generator: bool
    ) -> dict[str, bytes] | None:
        """Read what is wanted of a checkpoint; None if it is damaged."""
        contents: dict[str, bytes] = {}

        def read(name: str) -> bytes:
            return self.storage.read(f"{self.path}/{key}/{at}/{name}")

        try:
            manifest = json.loads(read(checkpoint.MANIFEST))
            if any(
                found[f"{at}/{name}"].size != entry["bytes"] for name, entry in manifest.items()
            ):
                return None
            for name in (checkpoint.TRIAL, checkpoint.CONFIG, checkpoint.GENERATOR):
                if name != checkpoint.GENERATOR or (
                    generator and _is_finished(json.loads(contents[checkpoint.TRIAL]))
                ):
                    contents[name] = read(name)
                    if hashlib.sha256(contents[name]).hexdigest() != manifest[name]["sha256"]:
                        return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return contents

    def _fetch(self, name: str, entry: Entry) -> None:
        """Copy a small object, unless the mirror has it."""
        file = self.directory / name
        if file.exists():
            known = file.stat()
            if (known.st_size, known.st_mtime_ns) == (entry.size, entry.time):
                return
        checkpoint.write_file(file, self.storage.read(f"{self.path}/{name}"))
        os.utime(file, ns=(entry.time, entry.time))


def _changed(file: Path) -> int | None:
    return file.stat().st_mtime_ns if file.exists() else None


def _lacks_generator(mirrored: Path) -> bool:
    has = (mirrored / checkpoint.GENERATOR).exists()
    return not has and _is_finished(checkpoint.read_trial(mirrored))


def _is_finished(trial: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is the last of the length that it was made for."""
    return bool(trial["step"] >= trial["total_steps"])
