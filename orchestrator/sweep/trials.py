"""Expansion of a sweep into its trials, without side effects."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gan.config import TrainConfig
from gan.control import CONTROLS
from gan.errors import UserError
from orchestrator.sweep.messages import unknown
from orchestrator.sweep.mistakes import Mistakes, Place
from orchestrator.sweep.points import config_at, points_of, where_of
from orchestrator.sweep.search_settings import Objective, metric_names
from orchestrator.sweep.sections import Settings
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trial_names import held_out_text, name_of, named_apart
from reports.names import BASELINE, RECOLOURED, targets_text

BESIDE = ("points", "resources", "objective", "search", "scheduler", "notify")
"""Sections whose mistakes leave the settings of other trials certain."""


@dataclass(frozen=True)
class Trial:
    """Point of a sweep."""

    name: str
    """Name for people: ``saturation=0.75, hue=0.6``, or ``baseline`` without a control."""
    key: str
    """Identifier for everything else: ``TrainConfig.key``."""
    config: TrainConfig


def expand(spec: SweepSpec) -> list[Trial]:
    """List the trials of a sweep: its grid, points, ``grid_baselines``, then recoloured trials.

    A baseline is recoloured for each combination of targets of the trials that differ from it in
    nothing else. Trials of a search are not listed: they are chosen while it runs.

    Raises:
        UserError: values are out of range, trials are the same, or the search or the scheduler
            cannot work with such trials.
    """
    mistakes = Mistakes(spec.path)
    origins: dict[str, str] = {}
    trials, baselines = _written(spec, mistakes, origins)
    mistakes.raise_any()
    if baselines:
        of_points = {trial.config.without_control().key() for trial in trials}
        baselines += [trial for trial in _settings_alone(spec) if trial.key in of_points]
    for trial in baselines:
        if origins.setdefault(trial.key, trial.name) == trial.name:  # no point, and not yet there
            trials.append(trial)
    if spec.objective is not None:
        _check_adaptive(spec, spec.objective, trials)
    trials += [t for t in _recoloured(trials) if t.key not in origins]
    names = named_apart([t.name for t in trials], [t.config for t in trials])
    return [replace(trial, name=name) for trial, name in zip(trials, names, strict=True)]


def add_mistakes_of_trials(spec: SweepSpec, mistakes: Mistakes) -> None:
    """Add the mistakes in trials of a file whose sections have some, as far as they are certain.

    Settings are judged together only where none is missing because it was wrong.
    """
    _written(spec, mistakes, {})


def _written(
    spec: SweepSpec, mistakes: Mistakes, origins: dict[str, str]
) -> tuple[list[Trial], list[Trial]]:
    """Return the trials of axes and points, and ``grid_baselines``; add the mistakes in them.

    ``origins``, the places in the file by key, are added to.
    """
    trials: list[Trial] = []
    baselines: list[Trial] = []
    known = mistakes.copy()
    for place, varied in points_of(spec):
        if not varied and spec.axes and mistakes:
            continue  # a baseline of the grid, which is not known
        try:
            if not varied and (baselines := grid_baselines(spec)[1]):
                continue
            trial = trial_at(spec, place, varied)
            where = where_of(place, varied)
            if trial.key in origins:
                message = f"the same trial as {origins[trial.key]} ({trial.name})"
                raise spec.file.mistake(place, message, where=where, of_whole=True)
        except Mistakes as found:
            mistakes.include(found, values_alone=known.concern_more_than(BESIDE, place))
            continue
        origins[trial.key] = where
        trials.append(trial)
    return trials, baselines


def grid_baselines(spec: SweepSpec) -> tuple[list[str], list[Trial]]:
    """Return the trials that the point {} stands for in a grid over controls and other settings.

    There is one for each combination of the settings' values that makes another trial without
    control; the names of the settings that vary among them come first. Otherwise both are empty.

    Raises:
        UserError: a value is out of range, or the axes give several lengths.
    """
    axes = {name: v for name, v in spec.axes.items() if name.partition(".")[0] not in CONTROLS}
    if {} not in spec.points or not axes or len(axes) == len(spec.axes):
        return [], []
    place: Place = ("points", spec.points.index({}))
    found: dict[str, tuple[Settings, Trial]] = {}
    for values in itertools.product(*axes.values()):
        varied = dict(zip(axes, values, strict=True))
        trial = trial_at(spec, ("axes",), varied)
        if trial.config.controls:
            return [], []
        _, first = found.setdefault(trial.key, (varied, trial))
        if _length(first) != _length(trial):
            message = "a baseline has one length, and the axes give several"
            raise spec.file.mistake(place, f"{message}; write a sweep file for each")
    if len(found) == 1 and found.keys() == {trial.key for trial in _settings_alone(spec)}:
        return [], []
    vary = [name for name in axes if len({varied[name] for varied, _ in found.values()}) > 1]
    return vary, [
        replace(trial, name=name_of(trial.config, {name: varied[name] for name in vary}))
        for varied, trial in found.values()
    ]


def _length(trial: Trial) -> tuple[int | None, float | None]:
    return trial.config.steps, trial.config.epochs


def _settings_alone(spec: SweepSpec) -> list[Trial]:
    try:
        return [trial_at(spec, ("settings",), {})]
    except UserError:  # they lack what an axis gives
        return []


def without_baseline(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials with control for which there is no baseline, and so no rival."""
    keys = {trial.key for trial in trials}
    return [t for t in trials if t.config.controls and t.config.without_control().key() not in keys]


def corners(spec: SweepSpec) -> list[Trial]:
    """Return trials at the ends of a search space; all others are valid if these are.

    Raises:
        UserError: one of them is invalid.
    """
    if spec.search is None:
        return []
    over = spec.search.over
    lowest = {name: dimension.ends()[0] for name, dimension in over.items()}
    points = [lowest | {name: end} for name, dimension in over.items() for end in dimension.ends()]
    return [trial_at(spec, ("search", "over"), point) for point in points]


def stand_ins(spec: SweepSpec, count: int) -> list[Trial]:
    """Return stand-ins for trials yet to be chosen, at the high ends, to estimate their time."""
    if spec.search is None:
        return []
    highest = {name: dimension.ends()[-1] for name, dimension in spec.search.over.items()}
    trial = trial_at(spec, ("search", "over"), highest)
    return [replace(trial, name=f"chosen by the search, {i + 1}") for i in range(count)]


def _check_adaptive(spec: SweepSpec, objective: Objective, trials: list[Trial]) -> None:
    """Check that every metric is measured and a scheduler has something to decide."""
    compared = corners(spec) or trials
    valid = list(dict.fromkeys(name for t in compared for name in metric_names(t.config)))
    named = [("metric", objective.metric), *(("subject_to", key) for key in objective.subject_to)]
    mistakes = Mistakes(spec.path)
    for key, name in named:
        if name not in valid:
            place = ("objective", key) if key == "metric" else ("objective", key, name)
            message = unknown("metric", name, valid)
            mistakes.include(spec.file.mistake(place, message, where=f"objective.{key}"))
    mistakes.raise_any()
    if (scheduler := spec.scheduler) is None:
        return
    for config in (trial.config for trial in compared):
        if config.steps is None:
            return
        every = config.evaluation_interval(config.steps)
        if math.ceil(scheduler.grace_steps / every) * every < config.steps:
            return
    raise spec.file.mistake(
        ("scheduler", "grace_steps"),
        f"no trial has an evaluation from step {scheduler.grace_steps} on and before its end "
        "(evaluate_every, steps)",
    )


def _recoloured(trials: list[Trial]) -> list[Trial]:
    baselines = {trial.key: trial for trial in trials if not trial.config.controls}
    found: dict[str, Trial] = {}
    for trial in trials:
        if not trial.config.controls:
            continue
        if (baseline := baselines.get(trial.config.without_control().key())) is not None:
            config = baseline.config.recoloured_as(trial.config)
            # Other differences, as in the baseline's name.
            beside = held_out_text(trial.config) + baseline.name.removeprefix(BASELINE)
            name = f"{RECOLOURED}, {targets_text(trial.config)}{beside}"
            found.setdefault(config.key(), Trial(name, config.key(), config))
    return list(found.values())


def trial_at(spec: SweepSpec, place: Place, varied: Settings) -> Trial:
    """Return the trial with ``varied``, which is at ``place``, on top of the sweep's settings.

    Raises:
        Mistakes: values are out of range.
    """
    config = config_at(spec, place, varied)
    return Trial(name_of(config, varied), config.key(), config)
