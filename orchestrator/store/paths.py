"""Names of all files and objects of a sweep and its trials.

Below ``--runs``, or for checkpoints below ``--storage``::

    sweeps/NAME/trials.json       manifest of the last launch
    sweeps/NAME/claim.json        lock of a launch; in an object store its lease
    sweeps/NAME/token             token of the last launch; in an object store part of the lease
    sweeps/NAME/pictures.json     digests of the user's own datasets as of the last launch
    sweeps/NAME/stop              asks the sweep to stop
    sweeps/NAME/KEY/              a trial: checkpoints/ and samples/ (``gan.checkpoint``) and
        attempts/*.json           its attempt log
        claim.json                lock of the process that trains it
        stop                      asks the trial to stop; in an object store ../stop-KEY
        pruned.json               prune marker
        trial.json                name and config of a trial that ``train`` made
        error.txt                 traceback of an internal error
        taken-over.json           sweep that it was taken over from
    remote/STORE/sweeps/NAME/     mirror of a sweep in an object store
    owner                         id of the owner of the sweeps (``reports.owner``)
    mlflow.db, mlartifacts/       tracking store, unless MLFLOW_TRACKING_URI names another
    reports/NAME/                 reports
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gan.config import TrainConfig
from gan.plain_text import command_line, masked

MANIFEST = "trials.json"
LOCK = "claim.json"
TOKEN = "token"
PICTURES = "pictures.json"
STOP = "stop"
PRUNED = "pruned.json"
SINGLE = "trial.json"
ERROR = "error.txt"
ATTEMPTS = "attempts"
TAKEN_OVER = "taken-over.json"
COLORIZED = "-colorized"
"""Suffix of outputs next to their pictures; a picture with it is no input."""


@dataclass(frozen=True)
class Locations:
    """Directory and object store that a command reads and writes."""

    runs: Path
    storage: str | None
    """URI of the object store for trials' checkpoints; None if they are below ``runs``."""

    def command(self, *words: str) -> str:
        """Return a command line that works on these locations, quoted for a shell."""
        options = [] if self.runs == Path("runs") else ["--runs", str(self.runs)]
        options += [] if self.storage is None else ["--storage", masked(self.storage)]
        return command_line(["colorsweep", *options, *words])


def sweep_directory(runs: Path, sweep: str) -> Path:
    """Return the directory of a sweep's trials."""
    return runs.absolute() / "sweeps" / sweep


def trial_directory(runs: Path, sweep: str, key: str) -> Path:
    """Return the directory of a trial's checkpoints and samples."""
    return sweep_directory(runs, sweep) / key


def baseline_directory(trial: Path, config: TrainConfig) -> Path | None:
    """Return the directory of a recoloured trial's baseline; None for other trials."""
    return trial.parent / config.without_control().key() if config.recolour else None


def mirror_root(runs: Path, uri: str) -> Path:
    """Return the mirror of an object store, a directory with the layout of ``runs``."""
    return runs.absolute() / "remote" / slug(uri)


def scratch_directory(uri: str, path: str) -> Path:
    """Return the directory for training on this machine, one per user, store and trial."""
    return Path(tempfile.gettempdir()) / f"colorsweep-{os.getuid()}" / slug(uri) / path


def tune_directory(sweep: Path) -> Path:
    """Return the directory of Tune's own record, which nothing reads."""
    return sweep / ".tune"


def stop_object(sweep: str, key: str = "") -> str:
    """Return the path of the object that asks a sweep, or a trial, to stop."""
    return f"{sweep}/{STOP}-{key}" if key else f"{sweep}/{STOP}"


def slug(uri: str) -> str:
    """Return a directory name for a URI."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", masked(uri).partition("?")[0].partition("://")[2])
    return f"{name.strip('-')}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"
