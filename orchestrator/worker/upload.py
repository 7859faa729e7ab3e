"""A trial on a worker whose checkpoints live in an object store.

It trains in a scratch directory, begun with the newest sound checkpoint of the store. A thread
brings there what it makes; a checkpoint's manifest comes last, and makes it one. An older one goes
once the newer is seen to be there.
"""

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from gan import checkpoint
from gan.config import TrainConfig
from gan.training.saver import KEEP_CHECKPOINTS
from orchestrator.store.lease import read_claim
from orchestrator.store.object_store import Storage, StorageError, patiently, slug
from orchestrator.store.prune_marker import Request, mark_file, parse_mark
from orchestrator.store.trial_state import baseline_directory, stop_object

POLL_SECONDS = 1.0
LOOK_SECONDS = 5.0
"""Between looks for a request to stop, and between news of the attempt."""
SMALL_FILES = ("attempts/*.json", "error.txt")

log = logging.getLogger(__name__)


def scratch_directory(uri: str, path: str) -> Path:
    """Return where a trial is trained on this machine: one place for each user, store and trial."""
    return Path(tempfile.gettempdir()) / f"colorsweep-{os.getuid()}" / slug(uri) / path


class Uploads:
    """Brings a trial from the store and, while the context lasts, what is made of it back there."""

    def __init__(self, uri: str, path: str, token: str) -> None:
        """Take note of where; nothing is asked yet.

        Args:
            uri: of the store.
            path: of the trial there: SWEEPS/NAME/KEY.
            token: of the claim of the launch that trains it.

        Raises:
            UserError: it is no URI of an object store.
        """
        self.directory = scratch_directory(uri, path)
        self.asked: Request | None = None
        """How the trial is to end, and why, if it is to."""
        self.failure = ""
        """Why the store does not get what is made."""
        self.durable_step = 0
        """Of the newest checkpoint in the store."""
        self._storage = Storage(uri)
        self._path = path
        self._token = token
        self._kept: list[str] = []
        """Checkpoints in the store that are known to be sound, the newest last."""
        self._sent: dict[Path, int] = {}
        """Files by when they were changed."""
        self._look_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether training is to end: somebody asked, or the store refuses what is made."""
        return self.asked is not None or bool(self.failure)

    def __enter__(self) -> "Uploads":
        """Bring the newest sound checkpoint, unless the trial is asked to end already.

        Another process's claim on the directory is kept.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        self._wipe()
        patiently(self._look, self._where)
        found = None if self.asked else self._pull(self._path, self.directory)
        if found is not None:
            self._kept = [found.name]
            self.durable_step = checkpoint.read_trial(found)["step"]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until the store has everything, or until ``failure`` says why it has not."""
        self._closing.set()
        self._thread.join()
        self._wipe()

    def baseline(self, config: TrainConfig) -> Path | None:
        """Bring the newest sound checkpoint of a recoloured trial's baseline.

        Raises:
            StorageError: the store refuses, or has failed for long.
        """
        if (beside := baseline_directory(Path(self._path), config)) is None:
            return None
        self._pull(str(beside), self.directory / "baseline")
        return self.directory / "baseline"

    @property
    def _where(self) -> str:
        return f"{self._storage.uri}/{self._path}"

    def _wipe(self) -> None:
        for name in ("checkpoints", "samples", "attempts", "baseline", ".upload"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def _pull(self, path: str, trial: Path) -> Path | None:
        """Bring the newest checkpoint that is sound; a damaged one is skipped with a warning."""
        # With a new listing each time: another worker may yet remove what is listed.
        return patiently(partial(self._pull_once, path, trial), self._where)

    def _pull_once(self, path: str, trial: Path) -> Path | None:
        path = str(checkpoint.checkpoints_of(Path(path)))
        listed = self._storage.entries(path)
        for name in sorted({entry.partition("/")[0] for entry in listed}, reverse=True):
            files = [file for file in listed if file.startswith(f"{name}/")]
            if f"{name}/{checkpoint.MANIFEST}" not in files:
                continue  # an upload that did not come to its end
            root = checkpoint.checkpoints_of(trial)
            for file in files:
                self._storage.download(f"{path}/{file}", root / file)
            if checkpoint.is_sound(root / name, digests=True):
                return root / name
            log.warning("skipped a damaged checkpoint: %s/%s/%s", self._storage.uri, path, name)
            shutil.rmtree(root / name)
        return None

    def _run(self) -> None:
        try:
            closing = False
            while not closing:
                closing = self._closing.wait(POLL_SECONDS)
                patiently(partial(self._round, closing), self._where, sleep=self._pause)
        except StorageError as error:
            self.failure = str(error)
        except Exception as error:  # a mistake of ours: without a thread nothing would be kept
            log.exception("uploads")
            self.failure = f"{type(error).__name__}: {error}"

    def _pause(self, seconds: float) -> None:
        """Wait; where training has ended there is nothing else to do than to try."""
        if self._closing.is_set():
            time.sleep(min(seconds, LOOK_SECONDS))
        else:
            self._closing.wait(seconds)

    def _round(self, closing: bool) -> None:
        """Bring the store up to date.

        Raises:
            OSError: the store fails or refuses; another round makes up for it.
            StorageError: another launch has taken over.
        """
        looking = closing or time.monotonic() >= self._look_at
        if looking:
            self._look()
        newest = checkpoint.newest(self.directory, digests=False)
        self._send("samples/*.png")  # before the checkpoint whose history they go with
        if newest is not None and newest.name not in self._kept:
            self._send_checkpoint(newest)
        if looking:
            for pattern in SMALL_FILES:
                self._send(pattern)
            self._look_at = time.monotonic() + LOOK_SECONDS

    def _look(self) -> None:
        sweep, _, key = self._path.rpartition("/")
        claim = read_claim(self._storage, sweep)
        if claim is not None and claim.token != self._token:
            raise StorageError(f"{self._where}: another launch has taken over: {claim.holder}")
        mark = mark_file(Path(self._path)).as_posix()
        found = self._storage.existing([mark, stop_object(sweep), stop_object(sweep, key)])
        if mark in found and (pruned := parse_mark(self._storage.read(mark))) is not None:
            self.asked = "pruned", pruned.reason
        elif found and self.asked is None:
            self.asked = "stopped", ""

    def _send(self, pattern: str) -> None:
        for file in sorted(self.directory.glob(pattern)):
            changed = file.stat().st_mtime_ns
            if not file.name.startswith(".") and self._sent.get(file) != changed:
                self._storage.upload(file, f"{self._path}/{file.relative_to(self.directory)}")
                self._sent[file] = changed

    def _send_checkpoint(self, path: Path) -> None:
        # Linked, so that the training may remove it at any time.
        aside = self.directory / ".upload"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for file in path.iterdir():
            os.link(file, aside / file.name)
        manifest = json.loads((aside / checkpoint.MANIFEST).read_bytes())
        root = str(checkpoint.checkpoints_of(Path(self._path)))
        for name in manifest:
            self._storage.upload(aside / name, f"{root}/{path.name}/{name}")
        arrived = self._storage.entries(f"{root}/{path.name}")
        for name, entry in manifest.items():
            if name not in arrived or arrived[name].size != entry["bytes"]:
                raise OSError(f"{name} did not arrive whole")
        self._storage.upload(
            aside / checkpoint.MANIFEST, f"{root}/{path.name}/{checkpoint.MANIFEST}"
        )
        self.durable_step = checkpoint.read_trial(aside)["step"]
        self._kept = [*self._kept, path.name][-KEEP_CHECKPOINTS:]
        for name in {entry.partition("/")[0] for entry in self._storage.entries(root)}:
            if name not in self._kept:
                self._storage.remove_folder(f"{root}/{name}")
