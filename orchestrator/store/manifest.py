"""Manifest of a sweep: the trials of its last launch, kept in its directory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.store.paths import MANIFEST, sweep_directory
from orchestrator.sweep.messages import listed, nearest
from orchestrator.sweep.trials import Trial

SHOWN = 4
"""Largest number of names in a line."""


def write_manifest(sweep: Path, trials: Sequence[Trial]) -> None:
    """Write the trials of a launch.

    Raises:
        OSError: the directory cannot be written to.
    """
    rows = [
        {"name": t.name, "key": t.key, "config": t.config.model_dump(mode="json")} for t in trials
    ]
    checkpoint.write_file(sweep / MANIFEST, json.dumps(rows, indent=1).encode(), durable=True)


def read_manifest(sweep: Path) -> list[Trial]:
    """Read the trials of the last launch; return none if there was no launch.

    Raises:
        UserError: the manifest is damaged, or of another version.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((sweep / MANIFEST).read_bytes())
        if not isinstance(rows, list):
            raise TypeError
        return [
            Trial(row["name"], row["key"], TrainConfig.model_validate(row["config"]))
            for row in rows
        ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{sweep / MANIFEST}: cannot be read, though it is the manifest of the last launch "
            "(and of the trials that a search chose); repair it, or remove it to begin a new one"
        ) from None


def launched_trials(runs: Path, sweep: str) -> list[Trial]:
    """Return the trials of a sweep's last launch.

    Raises:
        UserError: the sweep does not exist; the message lists those that do.
    """
    if not (trials := read_manifest(sweep_directory(runs, sweep))):
        known = launched_sweeps(runs)
        raise UserError(
            f"{sweep}: no such sweep below {runs}{nearest(sweep, known)}; "
            f"there are: {listed(known) if known else 'none'}"
        )
    return trials


def launched_sweeps(runs: Path) -> list[str]:
    """List the names of the launched sweeps below a directory."""
    return sorted(path.parent.name for path in (runs / "sweeps").glob(f"*/{MANIFEST}"))


def changes(before: Sequence[Trial], now: Sequence[Trial]) -> list[str]:
    """Describe the differences between two launches of a sweep in a few lines."""
    old, new = {t.key: t for t in before}, {t.key: t for t in now}
    added = [t for t in now if t.key not in old]
    left_out = [t for t in before if t.key not in new]
    lines = []
    longer = {line for key in old.keys() & new.keys() for line in _differences(old[key], new[key])}
    if longer:
        lines.append(f"changed length: {', '.join(sorted(longer))}; trials go on where they ended")
    named = {t.name: t for t in left_out}
    settings = {line for t in added if t.name in named for line in _differences(named[t.name], t)}
    if settings:
        lines.append(f"changed: {', '.join(sorted(settings))}")
        again = [t for t in added if t.name in named]
        lines.append(f"to be trained anew: {names_of(again)}; what they were is kept")
        added = [t for t in added if t.name not in named]
        left_out = [t for t in left_out if t.name not in {t.name for t in again}]
    if added:
        lines.append(f"new: {names_of(added)}")
    if left_out:
        lines.append(
            f"no longer in the file: {names_of(left_out)}; kept, and left out of the report"
        )
    return lines


def _differences(before: Trial, now: Trial) -> list[str]:
    old, new = before.config.model_dump(), now.config.model_dump()
    return [f"{name} {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]


def names_of(trials: Sequence[Trial]) -> str:
    """Name some trials in a line, and count the others."""
    shown = ", ".join(f"[{t.name}]" for t in trials[:SHOWN])
    more = len(trials) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
