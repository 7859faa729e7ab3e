"""Other sweeps of the same storage: the trials that they have, and copies of these."""

import tempfile
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.errors import UserError
from gan.training.progress import is_final
from orchestrator.store.lineage import packed
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.lock import lock
from orchestrator.store.object_checkpoint import fetch_newest
from orchestrator.store.object_sweep import THREADS, ObjectSweep
from orchestrator.store.paths import TAKEN_OVER
from orchestrator.store.sweep_store import SweepStore
from reports.lineage import Lineage


@dataclass(frozen=True)
class Candidate:
    """Trial of another sweep, as of its newest checkpoint there."""

    sweep: str
    trial: Mapping[str, Any]
    """Content of trial.json."""
    is_taken_over: bool
    """Whether that sweep took it over itself."""

    @property
    def lineage(self) -> Lineage:
        """Lineage of a copy."""
        return Lineage(self.sweep, self.trial["step"])

    @property
    def is_finished(self) -> bool:
        """Whether it is finished there."""
        return is_final(self.trial)


class LocalOthers:
    """Other sweeps in the directory of a sweep."""

    threads = 1
    """Number of trials to look at, or copy, at once: each is read into memory."""

    def __init__(self, store: LocalSweep) -> None:
        self._directory, self._root = store.directory, store.directory.parent

    def having(self, keys: Collection[str]) -> dict[str, list[str]]:
        """Return the names of the sweeps that have a trial, by its key."""
        trials: dict[str, Collection[str]] = {}
        for sweep in sorted(self._root.glob("*")):
            if sweep != self._directory:
                with suppress(OSError):  # not a directory, or somebody else's
                    trials[sweep.name] = [path.name for path in sweep.iterdir()]
        return _by_key(keys, trials)

    def candidate(self, key: str, sweep: str) -> Candidate | None:
        """Return the trial as it is in a sweep; None if there is no checkpoint."""
        directory = self._root / sweep / key
        if (newest := checkpoint.newest(directory, checkpoint.TRIAL)) is None:
            return None
        return Candidate(sweep, newest.trial, (directory / TAKEN_OVER).exists())

    def is_sound(self, key: str, found: Candidate) -> bool:
        """Whether every byte of the checkpoint is as it was written."""
        return checkpoint.read(self._checkpoint(key, found)) is not None

    def copy(self, key: str, found: Candidate) -> bool:
        """Copy the checkpoint, with its sample grids, to the own sweep, if it is sound.

        Returns:
            Whether it is, and is still there.

        Raises:
            UserError: the directory cannot be written to, or another process has the trial.
        """
        source, target = self._root / found.sweep / key, self._directory / key
        try:
            target.mkdir(exist_ok=True)
            with lock(target, "this trial is trained"):
                for step in {point["step"] for point in found.trial["history"]}:
                    with suppress(FileNotFoundError):
                        sample = checkpoint.sample_file(source, step)
                        checkpoint.link(sample, checkpoint.sample_file(target, step))
                checkpoint.write_file(target / TAKEN_OVER, packed(found.lineage, found.trial))
                return checkpoint.copy(self._checkpoint(key, found), target)
        except OSError as error:
            raise UserError(f"cannot write to {target} ({error.strerror})") from None

    def _checkpoint(self, key: str, found: Candidate) -> Path:
        checkpoints = checkpoint.checkpoints_of(self._root / found.sweep / key)
        return checkpoints / checkpoint.step_name(found.trial["step"])


class ObjectOthers:
    """Other sweeps in the object store of a sweep.

    Every method raises a UserError if the store fails or refuses.
    """

    threads = THREADS

    def __init__(self, store: ObjectSweep) -> None:
        self._store, self._storage = store, store.storage

    def having(self, keys: Collection[str]) -> dict[str, list[str]]:
        """Return the names of the sweeps that have a trial, by its key."""
        own = self._store.directory.name
        with self._store.in_one_line(), ThreadPoolExecutor(THREADS) as pool:
            sweeps = [name for name in self._storage.folders("sweeps") if name != own]
            folders = pool.map(lambda name: self._storage.folders(f"sweeps/{name}"), sweeps)
            return _by_key(keys, dict(zip(sweeps, folders, strict=True)))

    def candidate(self, key: str, sweep: str) -> Candidate | None:
        """Return the trial as it is in a sweep; None if there is no checkpoint."""
        path = f"sweeps/{sweep}/{key}"
        with self._store.in_one_line(), tempfile.TemporaryDirectory() as scratch:
            entries = self._storage.entries(path)
            names = (checkpoint.TRIAL,)
            with suppress(FileNotFoundError):  # replaced since the listing: it is being trained
                if newest := fetch_newest(self._storage, path, entries, Path(scratch), names):
                    found = checkpoint.read(newest, *names)
                    assert found is not None, "it was verified a moment ago"
                    return Candidate(sweep, found.trial, TAKEN_OVER in entries)
        return None

    def is_sound(self, key: str, found: Candidate) -> bool:
        """Whether sizes are right, as of any candidate; ``copy`` verifies the generator, too."""
        return True

    def copy(self, key: str, found: Candidate) -> bool:
        """Copy the checkpoint, with its sample grids, to the own sweep, if it is sound.

        The generator is verified; a worker that trains on verifies the rest.

        Returns:
            Whether it is, and is still there.
        """
        storage, source = self._storage, f"sweeps/{found.sweep}/{key}"
        target, step = f"{self._store.path}/{key}", checkpoint.step_name(found.trial["step"])
        names = (checkpoint.GENERATOR, checkpoint.CONFIG, checkpoint.TRIAL)
        with self._store.in_one_line(), suppress(FileNotFoundError):
            entries = storage.entries(source)
            with tempfile.TemporaryDirectory() as scratch:
                newest = fetch_newest(storage, source, entries, Path(scratch), names)
            if newest is None or newest.name != step:
                return False
            storage.write(f"{target}/{TAKEN_OVER}", packed(found.lineage, found.trial))
            samples = [name for name in entries if name.startswith("samples/")]
            files = [f"checkpoints/{step}/{name}" for name in checkpoint.FILES]
            # The manifest makes the checkpoint complete.
            for name in (*samples, *files, f"checkpoints/{step}/{checkpoint.MANIFEST}"):
                storage.copy(f"{source}/{name}", f"{target}/{name}")
            self._store.refresh(key)
            return True
        return False


def others_of(store: SweepStore) -> LocalOthers | ObjectOthers:
    """Return the other sweeps in the storage of a sweep."""
    return LocalOthers(store) if isinstance(store, LocalSweep) else ObjectOthers(store)


def _by_key(keys: Collection[str], trials: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sweep, names in trials.items():
        for key in {*keys} & {*names}:
            found.setdefault(key, []).append(sweep)
    return found
