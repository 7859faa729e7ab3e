"""What the last launch of a sweep asked for, kept in the sweep's directory."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.sweep.trials import Trial

FILE = "trials.json"
SHOWN = 4
"""Names in a line, at most."""


def write_record(sweep: Path, trials: Sequence[Trial]) -> None:
    """Keep the trials of a launch.

    Raises:
        OSError: the directory cannot be written to.
    """
    rows = [
        {"name": t.name, "key": t.key, "config": t.config.model_dump(mode="json")} for t in trials
    ]
    checkpoint.write_file(sweep / FILE, json.dumps(rows, indent=1).encode(), durable=True)


def read_record(sweep: Path) -> list[Trial]:
    """Read the trials of the last launch; none where there was none.

    Raises:
        UserError: the record is damaged, or of another version.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((sweep / FILE).read_bytes())
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
            f"{sweep / FILE}: cannot be read, though it is the record of what was launched (and of "
            "what a search chose); put it right, or remove it to begin a new one"
        ) from None


def launched(runs: Path) -> list[str]:
    """List the sweeps below a directory that were launched, by name."""
    return sorted(path.parent.name for path in (runs / "sweeps").glob(f"*/{FILE}"))


def changes(before: Sequence[Trial], now: Sequence[Trial]) -> list[str]:
    """Say in a few lines what differs between two launches of a sweep."""
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
        lines.append(f"to be trained anew: {_names(again)}; what they were is kept")
        added = [t for t in added if t.name not in named]
        left_out = [t for t in left_out if t.name not in {t.name for t in again}]
    if added:
        lines.append(f"new: {_names(added)}")
    if left_out:
        lines.append(f"no longer in the file: {_names(left_out)}; kept, and left out of the report")
    return lines


def _differences(before: Trial, now: Trial) -> list[str]:
    old, new = before.config.model_dump(), now.config.model_dump()
    return [f"{name} {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]


def _names(trials: Sequence[Trial]) -> str:
    shown = ", ".join(f"[{t.name}]" for t in trials[:SHOWN])
    more = len(trials) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
