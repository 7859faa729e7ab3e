"""Lineage of a trial: a file in its directory that names the sweep it was taken over from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.plain_text import printable
from orchestrator.store.paths import TAKEN_OVER
from orchestrator.store.sealed import sealed, unsealed
from reports.lineage import Lineage
from reports.runs import began_of


def packed(lineage: Lineage, trial: Mapping[str, Any]) -> bytes:
    """Serialise the lineage of a trial whose trial.json is ``trial``."""
    record = {"sweep": lineage.sweep, "step": lineage.step, "began": began_of(trial)}
    return sealed(record)


def lineage_of(directory: Path) -> Lineage | None:
    """Return the lineage of a trial as of its newest checkpoint; None if it was not taken over."""
    if not (directory / TAKEN_OVER).exists():
        return None
    newest = checkpoint.newest(directory, checkpoint.TRIAL)
    return None if newest is None else read_lineage(directory, newest.trial)


def read_lineage(directory: Path, trial: Mapping[str, Any]) -> Lineage | None:
    """Read the lineage of a trial in its directory; return None if this training has none.

    The file is written before the checkpoint that it belongs to arrives. It does not count for a
    training of the trial's own, whose first point was made at another time.
    """
    try:
        record = unsealed((directory / TAKEN_OVER).read_bytes())
        lineage = Lineage(printable(str(record["sweep"])), int(record["step"]))
        return lineage if record["began"] == began_of(trial) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
