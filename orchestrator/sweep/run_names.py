"""Names of trials in MLflow, whose narrow columns show only the beginning of each."""

import re
from collections.abc import Sequence

from orchestrator.sweep.trials import Trial
from reports.names import BASELINE, RECOLOURED, shown_names


def run_names(trials: Sequence[Trial], left_out: Sequence[Trial] = ()) -> dict[str, str]:
    """Return by key the names of trials as shown, in which what differs among them comes first.

    Parts that all steered trials share, or all baselines, or all recoloured trials, come last:
    ``saturation=0.5, seed=1`` becomes ``seed=1, saturation=0.5`` if every target is 0.5. A single
    trial of its kind keeps its name.

    Args:
        trials: trials of the sweep's file.
        left_out: trials that it had before, whose runs stand beside theirs.
    """
    every = [*trials, *left_out]
    groups = ["file"] * len(trials) + ["left out"] * len(left_out)
    shown = shown_names([trial.name for trial in every], [trial.config for trial in every], groups)
    parts = {trial.key: _parts(name) for trial, name in zip(every, shown, strict=True)}
    alike: dict[str, list[list[str]]] = {}
    for of in parts.values():
        alike.setdefault(_kind(of), []).append(of)
    shared = {kind: _shared(these) for kind, these in alike.items()}
    names = {}
    for key, of in parts.items():
        kind = _kind(of)
        # "recoloured" differs, too, as long as other trials are not.
        last = shared[kind] - ({kind} if len(alike) > 1 else set())
        names[key] = ", ".join(sorted(of, key=last.__contains__))
    return names


def _parts(name: str) -> list[str]:
    """Split a name at its commas, but not within a value, such as a list or a path."""
    return re.split(r", (?=[a-z_][a-z_0-9.]*=)", name)


def _kind(parts: Sequence[str]) -> str:
    return parts[0] if parts[0] in (BASELINE, RECOLOURED) else ""


def _shared(names: Sequence[Sequence[str]]) -> set[str]:
    return set.intersection(*map(set, names)) if len(names) > 1 else set()
