"""Store of a sweep: a directory that every node sees, or an object store and its mirror."""

from pathlib import Path

from orchestrator.store import manifest
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.store.paths import Locations

SweepStore = LocalSweep | ObjectSweep


def store_of(locations: Locations, sweep: str) -> SweepStore:
    """Return the store of a sweep.

    Raises:
        UserError: the URI is none of an object store.
    """
    if locations.storage is None:
        return LocalSweep(locations.runs, sweep)
    return ObjectSweep(locations.storage, locations.runs, sweep)


def opened_root(locations: Locations, sweep: str, *, launched: bool) -> Path:
    """Return the directory that has ``sweeps/NAME``, brought up to date where it is a mirror.

    Raises:
        UserError: the object store is not there, or lacks a sweep that must have been launched.
    """
    store = store_of(locations, sweep)
    store.open()
    if launched:
        store.require_launched()
    return store.root


def launched_sweeps(locations: Locations) -> list[str]:
    """List the sweeps that were launched by name.

    Raises:
        UserError: the object store is not there.
    """
    if locations.storage is None:
        return manifest.launched_sweeps(locations.runs)
    return ObjectSweep(locations.storage, locations.runs, "").launched_sweeps()
