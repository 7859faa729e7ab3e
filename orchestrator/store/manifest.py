"""Manifest of a sweep: the trials of its last launch, kept in its directory.

A trial that ``train`` made is in a file of its own instead: several may be made at a time.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.plain_text import cut, there_are
from orchestrator.store.paths import MANIFEST, SINGLE, sweep_directory
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial

log = logging.getLogger(__name__)
SHOWN = 4
"""Largest number of names in a line."""
SETTINGS = tuple(TrainConfig.model_fields)
LENGTH = ("steps", "epochs")
"""Settings that make a trial longer or shorter."""


def write_manifest(sweep: Path, trials: Sequence[Trial]) -> None:
    """Write the trials of a launch.

    Raises:
        OSError: the directory cannot be written to.
    """
    rows = [_row(trial) for trial in trials]
    checkpoint.write_file(sweep / MANIFEST, json.dumps(rows, indent=1).encode(), durable=True)


def write_single(sweep: Path, trial: Trial) -> None:
    """Write a trial that no launch has.

    Raises:
        OSError: the directory cannot be written to.
    """
    file = sweep / trial.key / SINGLE
    content = json.dumps(_row(trial), indent=1).encode()
    if not file.exists() or file.read_bytes() != content:
        checkpoint.write_file(file, content, durable=True)


def _row(trial: Trial) -> dict[str, Any]:
    return {"name": trial.name, "key": trial.key, "config": trial.config.model_dump(mode="json")}


def _trial(row: dict[str, Any]) -> Trial:
    return Trial(row["name"], row["key"], TrainConfig.model_validate(row["config"]))


def read_manifest(sweep: Path) -> list[Trial]:
    """Read the trials of the last launch; return none if there was no launch.

    Raises:
        UserError: the manifest is damaged, of another version, or cannot be read.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((sweep / MANIFEST).read_bytes())
        if not isinstance(rows, list):
            raise TypeError
        return [_trial(row) for row in rows]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        name = cut(str(sweep / MANIFEST), 200)
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{sweep / MANIFEST}: cannot be read, though it is the manifest of the last launch "
            "(and of the trials that a search chose); repair it, or remove it to begin a new one"
        ) from None


def is_launched(sweep: Path) -> bool:
    """Whether there was a launch; that of a search may have no trial yet."""
    return (sweep / MANIFEST).exists()


def launched_trials(runs: Path, sweep: str) -> list[Trial]:
    """Return the trials of a sweep's last launch, and those that ``train`` made.

    There are none if a search has not chosen one yet.

    Raises:
        UserError: the sweep does not exist; the message lists those that do.
    """
    directory = sweep_directory(runs, sweep)
    trials = read_manifest(directory)
    keys = {trial.key for trial in trials}
    trials += [trial for trial in _singles(directory) if trial.key not in keys]
    if not trials and not is_launched(directory):
        known = launched_sweeps(runs)
        raise UserError(f"{sweep}: no such sweep below {runs}{there_are(sweep, known)}")
    return trials


def launched_sweeps(runs: Path) -> list[str]:
    """List the names of the sweeps below a directory: launched, or with a trial of ``train``."""
    sweeps = runs / "sweeps"
    singles = {path.parent.parent.name for path in sweeps.glob(f"*/*/{SINGLE}")}
    return sorted({path.parent.name for path in sweeps.glob(f"*/{MANIFEST}")} | singles)


def _singles(sweep: Path) -> list[Trial]:
    """Return the trials that ``train`` made, in the order in which they were begun."""
    found = []
    for file in sweep.glob(f"*/{SINGLE}"):
        try:
            found.append((file.stat().st_mtime, _trial(json.loads(file.read_bytes()))))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("skipped a trial whose file is damaged: %s", file)
    return [trial for _, trial in sorted(found, key=lambda pair: pair[0])]


def changes(
    before: Sequence[Trial], now: Sequence[Trial], states: Mapping[str, TrialState]
) -> list[str]:
    """Describe the differences between two launches of a sweep in a few lines.

    Also names the trials that were trained longer than the file asks now; ``states`` are by key.
    """
    old, new = {t.key: t for t in before}, {t.key: t for t in now}
    left_out = {t.name: t for t in before if t.key not in new}
    lasting = [(old[t.key], t) for t in now if t.key in old]
    anew = [(left_out[t.name], t) for t in now if t.key not in old and t.name in left_out]
    of_length = [pair for pair in lasting if _differences(*pair, LENGTH)]
    settings = {line for pair in of_length for line in _differences(*pair, LENGTH)}
    settings |= {line for pair in anew for line in _differences(*pair)}
    lines = [f"changed: {', '.join(sorted(settings))}"] if settings else []
    # A recoloured trial has no training of its own.
    own = [(was, t) for was, t in of_length if not t.config.recolour]
    longer = [t for was, t in own if not (_is_shorter(was, t) or states[t.key].phase.is_done)]
    if longer:
        lines.append(f"to go on where they ended: {names_of(longer)}")
    if pruned := [t for t in now if t not in longer and states[t.key].was_pruned]:
        lines.append(f"pruned on other terms, and to go on: {names_of(pruned)}")
    kept = [t for t in now if not t.config.recolour and states[t.key].is_longer_than_asked]
    if kept:
        lines.append(f"trained longer than the file asks, and kept so: {names_of(kept)}")
    if again := [t for _, t in anew if not (t.config.recolour or states[t.key].step)]:
        by_length = all([] != _differences(*p) == _differences(*p, LENGTH) for p in anew)
        why = ", since their penalty starts at a share of the length" if by_length else ""
        lines.append(f"to be trained anew{why}: {names_of(again)}; what they were is kept")
    names = {t.name for _, t in anew}
    if added := [t for t in now if t.key not in old and t.name not in names]:
        lines.append(f"new: {names_of(added)}")
    if gone := [t for t in left_out.values() if t.name not in names]:
        lines.append(f"no longer in the file: {names_of(gone)}; kept, and left out of the report")
    return lines


def _differences(before: Trial, now: Trial, among: Sequence[str] = SETTINGS) -> list[str]:
    old, new = before.config.model_dump(), now.config.model_dump()
    return [f"{name} {old[name]} -> {new[name]}" for name in among if old[name] != new[name]]


def _is_shorter(before: Trial, now: Trial) -> bool:
    pairs = [(getattr(before.config, name), getattr(now.config, name)) for name in LENGTH]
    return any(None not in pair and pair[1] < pair[0] for pair in pairs)


def names_of(trials: Sequence[Trial]) -> str:
    """Name some trials in a line, and count the others."""
    shown = ", ".join(f"[{t.name}]" for t in trials[:SHOWN])
    more = len(trials) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
