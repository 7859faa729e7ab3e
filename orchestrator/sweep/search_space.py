"""Trials that a search may choose, without side effects."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.sweep.search_settings import Dimension, number_type
from orchestrator.sweep.sections import Settings
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trial_names import value_at
from orchestrator.sweep.trials import Trial, trial_at

DIGITS = 3
"""Significant digits of a searched number, the same in training and in the name."""


def chosen_trial(spec: SweepSpec, chosen: Mapping[str, Any]) -> Trial:
    """Return the trial for chosen values by dotted name, with its numbers rounded."""
    assert spec.search is not None
    over = spec.search.over
    rounded = {name: _rounded(value, over[name]) for name, value in chosen.items()}
    return trial_at(spec, ("search", "over"), rounded)


def _rounded(value: Any, dimension: Dimension) -> Any:
    if not isinstance(value, float) or dimension.choices is not None:
        return value
    low, high = dimension.ends()
    near = min(max(float(f"{value:.{DIGITS}g}"), low), high)
    return int(near) if near == int(near) else near


def choice_of(spec: SweepSpec, trial: Trial) -> Settings | None:
    """Return the values by which the search gives this trial; None if it is outside the space."""
    assert spec.search is not None
    chosen: Settings = {}
    for name, dimension in spec.search.over.items():
        value = value_at(trial.config, name)
        if not _inside(value, dimension):
            return None
        chosen[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    # The trial may still differ in a field that is not searched.
    return chosen if trial_at(spec, ("search", "over"), chosen).key == trial.key else None


def _inside(value: Any, dimension: Dimension) -> bool:
    if dimension.choices is not None:
        return value in dimension.choices
    low, high = dimension.ends()
    return value is not None and low <= value <= high


def chosen_before(spec: SweepSpec, fixed: Sequence[Trial], record: Sequence[Trial]) -> list[Trial]:
    """List the trials that earlier launches of the search chose, with the current length.

    ``fixed`` are the trials that the file names, ``record`` those of the last launch. Trials that
    an edited file no longer allows are left out.
    """
    if spec.search is None:
        return []
    keys = {trial.key for trial in fixed}
    found = []
    for trial in record:
        if trial.key not in keys and (chosen := choice_of(spec, trial)) is not None:
            found.append(chosen_trial(spec, chosen))
    return found


def to_suggest(spec: SweepSpec, chosen: Sequence[Trial]) -> int:
    """Count the trials that a search has yet to choose, at least 0."""
    return max(0, spec.search.trials - len(chosen)) if spec.search is not None else 0


def drawn(spec: SweepSpec, rng: random.Random) -> Settings:
    """Draw values from the search space at random, uniformly on each dimension's scale."""
    assert spec.search is not None
    return {name: _drawn(name, each, rng) for name, each in spec.search.over.items()}


def _drawn(name: str, dimension: Dimension, rng: random.Random) -> Any:
    if dimension.choices is not None:
        return rng.choice(dimension.choices)
    low, high = dimension.ends()
    if number_type(name) is int:
        return rng.randint(low, high)
    if dimension.log:
        return math.exp(rng.uniform(math.log(low), math.log(high)))
    return rng.uniform(low, high)
