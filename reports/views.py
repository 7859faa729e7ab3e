"""Trials of any target as a report compares them: one entry for each target that was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gan.control import ControlName
from gan.evaluation.metric_names import label_of
from reports.runs import EVALUATED, TrialRun


def views(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Put, in place of each trial of any target, the trial at each target that was measured.

    Such a view has numbers as targets, the metrics at them by the names that every trial's have,
    the run and the key of its trial, and the trial itself as ``whole``. A trial that is not
    measured stays as it is.
    """
    return [view for run in runs for view in at_targets(run)]


def at_targets(run: TrialRun) -> list[TrialRun]:
    """Return the views of one trial; the trial itself where its targets are numbers."""
    if not run.config.any_controls:
        return [run]
    found = [_view(run, targets) for targets in run.config.measured_targets()]
    return [view for view in found if view.measured] or [run]


def middle(run: TrialRun) -> TrialRun:
    """Return the view of a trial at the target in the middle: every evaluation measures it."""
    every = run.config.measured_targets()
    if not run.config.any_controls:
        return run
    view = _view(run, every[len(every) // 2])
    return view if view.measured else run


def label(run: TrialRun) -> str:
    """Name a view's targets as its trial's metrics and sample grids do; empty for other trials."""
    return "" if run.whole is None else label_of(numbers(run))


def numbers(run: TrialRun) -> dict[ControlName, float]:
    """Return the targets of a trial, or a view, that are numbers."""
    controls = run.config.controls.items()
    return {name: control.wanted for name, control in controls if not control.is_any}


def short(target: float) -> str:
    """Write a target in few characters."""
    return f"{round(target, 3):g}"


def in_words(targets: Mapping[ControlName, float]) -> str:
    """Name some targets for people: "hue 0.6, saturation 0.35"."""
    return ", ".join(f"{name} {short(value)}" for name, value in targets.items())


def metric_of(run: TrialRun, metric: str) -> str:
    """Return the name that the tracking store has for a metric of a trial, or a view."""
    if run.whole is None or not metric.startswith(EVALUATED):
        return metric
    return f"{EVALUATED}{label(run)}/{metric.removeprefix(EVALUATED)}"


def _view(run: TrialRun, targets: Mapping[ControlName, float]) -> TrialRun:
    start = f"{EVALUATED}{label_of(targets)}/"
    metrics = {name: v for name, v in run.metrics.items() if not name.startswith(EVALUATED)}
    metrics |= {
        EVALUATED + name.removeprefix(start): value
        for name, value in run.metrics.items()
        if name.startswith(start)
    }
    given = {name: targets[name] for name in run.config.any_controls}
    at = [in_words(given)] if len(given) > 1 else map(short, given.values())
    return replace(
        run,
        name=f"{run.name} at {', '.join(at)}",
        config=run.config.at(targets),
        metrics=metrics,
        whole=run,
    )
