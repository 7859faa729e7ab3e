"""Owners of sweeps: directories and object stores from which sweeps are launched.

Several people may share a tracking store and launch sweeps of one name. An owner is known by a
random id that is kept with the trials, so that a directory that was moved, and all machines on one
object store, remain one owner.
"""

import fcntl
import os
import re
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
        store, but not those of the original in a store that both use. In a store below ``runs`` an
        owner whose id was lost owns all but those of another directory on this machine.
        """
        is_same, is_below = tags.get(ID) == self.id, self.has_below(uri)
        if is_same and is_below:
            return True
        return (is_same or is_below) and not self._is_of_another(tags)

    def has_below(self, uri: str) -> bool:
        """Whether the tracking store at a URI is a file below ``runs``."""
        file = Path(uri.removeprefix("sqlite:///")).absolute()
        return uri.startswith("sqlite:///") and Path(self.where) in file.parents

    def _is_of_another(self, tags: Mapping[str, str]) -> bool:
        """Whether the owner is another directory on this machine, if only the original of this."""
        host, _, where = tags.get(PLACE, "").partition(":")
        file, own = Path(where, FILE), Path(self.where, FILE)
        if host != socket.gethostname() or not os.access(file, os.R_OK):
            return False  # the directory was moved
        return file.read_bytes() == tags.get(ID, "").encode() and not file.samefile(own)


def new_id() -> str:
    """Return a random id."""
    return secrets.token_hex(8)


def require_id(content: bytes, where: str) -> str:
    """Return the id that the content of ``FILE`` is.

    Raises:
        UserError: it is damaged.
    """
    if not re.fullmatch(rb"[0-9a-f]{16}", content):
        raise UserError(
            f"{where}: damaged: not an owner's id (16 of the digits 0 to f); restore it, or remove "
            "it to get a new one"
        )
    return content.decode()


def owner_in(runs: Path) -> Owner:
    """Return the owner of the sweeps below ``runs``, made by the first launch or training there.

    Raises:
        UserError: the directory cannot be written to, or the id there is damaged.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with (runs / FILE).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two first launches get one id
            file.seek(0)
            if not (known := file.read()):
                known = new_id().encode()
                file.write(known)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"--runs: cannot write {runs / FILE} ({error.strerror})") from None
    return Owner(require_id(known, str(runs / FILE)), str(runs.absolute()))


def known_owner(runs: Path) -> Owner | None:
    """Return the owner of the sweeps below ``runs``; None if nothing was launched there.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    try:
        known = (runs / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"--runs: cannot read {runs / FILE} ({error.strerror})") from None
    if not known:  # being made
        return None
    return Owner(require_id(known, str(runs / FILE)), str(runs.absolute()))
