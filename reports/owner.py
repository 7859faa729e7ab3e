"""Owners of sweeps: directories and object stores from which sweeps are launched.

Several people may share a tracking store and launch sweeps of one name. An owner is known by a
random id that is kept with the trials, so that a directory that was moved, and all machines on one
object store, remain one owner.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gan.errors import UserError
from reports.runs import PREFIX

FILE = "owner"
"""File in ``runs``, or object in an object store, with the owner's id."""
ID = f"{PREFIX}owner"
"""Tag of an experiment: the id of its owner."""
SWEEP = f"{PREFIX}sweep"
"""Tag of an experiment: the name of its sweep."""
PLACE = f"{PREFIX}place"
"""Tag of an experiment: where its owner launched it last, for people."""


@dataclass(frozen=True)
class Owner:
    """Owner of sweeps."""

    id: str
    where: str
    """Absolute path of ``runs``, or URI of the object store without secrets."""

    @property
    def place(self) -> str:
        """Host and directory, or the URI."""
        return self.where if "://" in self.where else f"{socket.gethostname()}:{self.where}"

    def apart(self, sweep: str) -> str:
        """Return a name for an experiment beside another owner's of the plain name."""
        return f"{sweep} ({socket.gethostname()} {self.id[:6]})"

    def tags(self, sweep: str) -> dict[str, str]:
        """Return the tags of the experiment of a sweep."""
        return {ID: self.id, SWEEP: sweep, PLACE: self.place}

    def owns(self, tags: Mapping[str, str], uri: str) -> bool:
        """Whether an experiment with these tags, in the store at a URI, is of this owner.

        A copy of ``runs`` has the id of the original. It owns the experiments in its copy of the
        store, but not those of the original in a store that both use.
        """
        if tags.get(ID) != self.id:
            return False
        return self.has_below(uri) or not self._is_copy_of(tags.get(PLACE, ""))

    def has_below(self, uri: str) -> bool:
        """Whether the tracking store at a URI is a file below ``runs``."""
        file = Path(uri.removeprefix("sqlite:///")).absolute()
        return uri.startswith("sqlite:///") and Path(self.where) in file.parents

    def _is_copy_of(self, place: str) -> bool:
        host, _, where = place.partition(":")
        file, own = Path(where, FILE), Path(self.where, FILE)
        if host != socket.gethostname() or not os.access(file, os.R_OK):
            return False  # the directory was moved
        return file.read_text() == self.id and not file.samefile(own)


def new_id() -> str:
    """Return a random id."""
    return secrets.token_hex(8)


def owner_in(runs: Path) -> Owner:
    """Return the owner of the sweeps below ``runs``, made by the first launch or training there.

    Raises:
        UserError: the directory cannot be written to.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with (runs / FILE).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two first launches get one id
            file.seek(0)
            if not (known := file.read()):
                known = new_id()
                file.write(known)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"--runs: cannot write {runs / FILE} ({error.strerror})") from None
    return Owner(known, str(runs.absolute()))


def known_owner(runs: Path) -> Owner | None:
    """Return the owner of the sweeps below ``runs``; None if nothing was launched there.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return Owner((runs / FILE).read_text(), str(runs.absolute()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"--runs: cannot read {runs / FILE} ({error.strerror})") from None
