"""Trial on a worker whose checkpoints are in an object store.

Training runs in a scratch directory, from the newest sound checkpoint in the store. A thread
uploads the trial's files. A checkpoint's manifest comes last and makes the checkpoint complete; an
older checkpoint is removed once the newer one has arrived.
"""

import logging
import os
import shutil
import threading
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path

from gan import checkpoint
from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from gan.plain_text import masked
from gan.training.progress import Progress, is_final
from gan.training.saver import KEEP_CHECKPOINTS
from orchestrator.store.lease import read_lease
from orchestrator.store.object_checkpoint import fetch_newest
from orchestrator.store.object_store import ObjectStore, StorageError, with_retries
from orchestrator.store.paths import (
    ATTEMPTS,
    ERROR,
    PRUNED,
    baseline_directory,
    scratch_directory,
    stop_object,
)
from orchestrator.store.prune_marker import parse_marker
from orchestrator.worker.stop_signal import StopReason, StopSignal

POLL_SECONDS = 1.0
LOOK_SECONDS = 5.0
"""Interval of checks for stop requests, and of uploads of the attempt log."""
SMALL_FILES = (f"{ATTEMPTS}/*.json", ERROR)

log = logging.getLogger(__name__)


class UploadedTrial:
    """Trial in a scratch directory; as a context manager, it fetches and uploads the files."""

    def __init__(self, uri: str, path: str, token: str, stop: StopSignal) -> None:
        """Parse the URI; nothing is sent yet.

        ``path`` is that of the trial in the store (sweeps/NAME/KEY), ``token`` that of the launch's
        lease; ``stop`` is set on a stop request, or if the store fails.

        Raises:
            UserError: the URI is not that of an object store.
        """
        self.directory = scratch_directory(uri, path)
        self._store = ObjectStore(uri)
        self._path = path
        self._token = token
        self._stop = stop
        self._failure = ""
        """Reason why uploads have failed."""
        self.durable_step = 0
        """Step of the newest checkpoint in the store."""
        self._kept: dict[str, bool] = {}
        """Names of checkpoints in the store that are known to be sound, the newest last, each with
        whether it has the final evaluation, which may be added to a checkpoint later."""
        self._sent: dict[Path, int] = {}
        """Modification times of uploaded files."""
        self._look_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def __enter__(self) -> "UploadedTrial":
        """Fetch the newest sound checkpoint, unless the trial already has a stop request.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        self._wipe()
        with_retries(self._look, self._where)
        found = None if self._stop.is_set() else self._fetch(self._path, self.directory)
        if found is not None:
            self._kept = {found.path.name: is_final(found.trial)}
            self.durable_step = found.trial["step"]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until everything is uploaded.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        self._closing.set()
        self._thread.join()
        self._wipe()
        if self._failure:
            raise StorageError(self._failure)

    def baseline(self, config: TrainConfig) -> Path | None:
        """Fetch the newest sound checkpoint of a recoloured trial's baseline.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        if (beside := baseline_directory(Path(self._path), config)) is None:
            return None
        self._fetch(str(beside), self.directory / "baseline")
        return self.directory / "baseline"

    def stored(self, progress: Progress) -> Progress:
        """Return the progress with the step of the newest checkpoint in the store."""
        return replace(progress, durable_step=self.durable_step)

    @property
    def _where(self) -> str:
        return f"{self._store.uri}/{self._path}"

    def _wipe(self) -> None:
        """Empty the directory, except for the lock file, which another process may hold."""
        for name in ("checkpoints", "samples", ATTEMPTS, "baseline", ".upload"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def _fetch(self, path: str, trial: Path) -> Checkpoint | None:
        def fetch() -> None:
            # List again on each try: another worker may have removed listed objects.
            fetch_newest(self._store, path, self._store.entries(path), trial)

        with_retries(fetch, self._where)
        return checkpoint.newest(trial, checkpoint.TRIAL)

    def _run(self) -> None:
        try:
            closing = False
            while not closing:
                closing = self._closing.wait(POLL_SECONDS)
                with_retries(partial(self._round, closing), self._where, sleep=self._pause)
        except StorageError as error:
            self._fail(str(error))
        except Exception as error:  # an internal error: without a thread nothing is uploaded
            log.error("uploads: %s", masked(traceback.format_exc()))
            self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self._stop.set(StopReason.STORAGE, reason)

    def _pause(self, seconds: float) -> None:
        """Wait; after training has ended, at most ``LOOK_SECONDS``."""
        if self._closing.is_set():
            time.sleep(min(seconds, LOOK_SECONDS))
        else:
            self._closing.wait(seconds)

    def _round(self, closing: bool) -> None:
        """Upload all new files.

        Raises:
            OSError: the store fails or refuses; the next round tries again.
            StorageError: another launch has taken over.
        """
        looking = closing or time.monotonic() >= self._look_at
        if looking:
            self._look()
        newest = checkpoint.newest(self.directory, checkpoint.TRIAL)
        self._send("samples/*.png")  # before the checkpoint whose history refers to them
        if newest is not None and self._kept.get(newest.path.name) != is_final(newest.trial):
            self._send_checkpoint(newest.path)
        if looking:
            for pattern in SMALL_FILES:
                self._send(pattern)
            self._look_at = time.monotonic() + LOOK_SECONDS

    def _look(self) -> None:
        sweep, _, key = self._path.rpartition("/")
        lease = read_lease(self._store, sweep)
        if lease is not None and lease.token != self._token:
            raise StorageError(f"{self._where}: another launch has taken over: {lease.holder}")
        marker = f"{self._path}/{PRUNED}"
        found = self._store.existing([marker, stop_object(sweep), stop_object(sweep, key)])
        if marker in found and (pruned := parse_marker(self._store.read(marker))) is not None:
            self._stop.set(StopReason.PRUNED, pruned.reason)
        elif found:
            self._stop.set(StopReason.USER)

    def _send(self, pattern: str) -> None:
        for file in sorted(self.directory.glob(pattern)):
            changed = file.stat().st_mtime_ns
            if not file.name.startswith(".") and self._sent.get(file) != changed:
                self._store.upload(file, f"{self._path}/{file.relative_to(self.directory)}")
                self._sent[file] = changed

    def _send_checkpoint(self, path: Path) -> None:
        # Hard links: the training may remove the checkpoint at any time.
        aside = self.directory / ".upload"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for file in path.iterdir():
            os.link(file, aside / file.name)
        if (found := checkpoint.read(aside)) is None:
            return  # damaged, or being removed: what the store has is kept
        root = str(checkpoint.checkpoints_of(Path(self._path)))
        for name in found.files:
            self._store.upload(aside / name, f"{root}/{path.name}/{name}")
        arrived = self._store.entries(f"{root}/{path.name}")
        for name, content in found.files.items():
            if name not in arrived or arrived[name].size != len(content):
                raise OSError(f"{name} did not arrive whole")
        self._store.upload(aside / checkpoint.MANIFEST, f"{root}/{path.name}/{checkpoint.MANIFEST}")
        self.durable_step = found.trial["step"]
        others = {name: final for name, final in self._kept.items() if name != path.name}
        kept = {**others, path.name: is_final(found.trial)}
        self._kept = dict([*kept.items()][-KEEP_CHECKPOINTS:])
        for name in {entry.partition("/")[0] for entry in self._store.entries(root)}:
            if name not in self._kept:
                self._store.remove_folder(f"{root}/{name}")
