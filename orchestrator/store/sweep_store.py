"""Store of a sweep: a directory that all nodes share, or an object store and its mirror."""

import logging
from collections.abc import Callable
from pathlib import Path

from gan.errors import UserError
from orchestrator.store import manifest
from orchestrator.store.lease import LeaseWatch
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.store.paths import Locations
from reports import owner
from reports.owner import Owner

log = logging.getLogger(__name__)
SweepStore = LocalSweep | ObjectSweep


def store_of(locations: Locations, sweep: str) -> SweepStore:
    """Return the store of a sweep.

    Raises:
        UserError: the URI is not that of an object store.
    """
    if locations.storage is None:
        return LocalSweep(locations.runs, sweep)
    return ObjectSweep(locations.storage, locations.runs, sweep)


def is_held_check(store: SweepStore) -> Callable[[], bool]:
    """Return a function that looks once, without waiting, whether a launch holds the sweep.

    The function raises an OSError while an object store fails.
    """
    if isinstance(store, LocalSweep):
        return store.is_held
    return LeaseWatch(store.storage, store.path).is_live


def opened_root(locations: Locations, sweep: str) -> Path:
    """Return the directory that contains ``sweeps/NAME``, up to date if it is a mirror.

    Raises:
        UserError: the object store does not exist, or lacks the sweep.
    """
    store = store_of(locations, sweep)
    store.open()
    log.debug("%s: in %s", sweep, store.shown)
    store.require_launched()
    return store.root


def known_owner(locations: Locations) -> Owner | None:
    """Return the owner of the sweeps that were launched here; None if none was, or if unknown.

    It is unknown, with a warning, while an object store does not answer: reading the tracking store
    needs no other answer of it.

    Raises:
        UserError: the URI is not that of an object store, or the id in ``runs`` is unreadable.
    """
    if locations.storage is None:
        return owner.known_owner(locations.runs)
    store = ObjectSweep(locations.storage, locations.runs, "")
    try:
        return store.known_owner()
    except UserError as error:
        log.warning("%s; sweeps are read by their names alone", error)
        return None


def launched_sweeps(locations: Locations) -> list[str]:
    """List the names of the launched sweeps.

    Raises:
        UserError: the object store does not exist.
    """
    log.debug("sweeps in %s", locations.storage or locations.runs.absolute())
    if locations.storage is None:
        return manifest.launched_sweeps(locations.runs)
    return ObjectSweep(locations.storage, locations.runs, "").launched_sweeps()
