"""Views of any-target trials for comparison in a report: one per measured target."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gan.control import ControlName
from gan.evaluation.metric_names import label_of
from reports.runs import EVALUATED, TrialRun


def views(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Replace each any-target trial with its views, one per measured target.

    A view has numbers as targets, its metrics under the names that other trials use, the run and
    key of its trial, and the trial itself as ``whole``. Trials without measurements stay unchanged.
    """
    return [view for run in runs for view in at_targets(run)]


def at_targets(run: TrialRun) -> list[TrialRun]:
    """Return the views of one trial; the trial itself if its targets are numbers."""
    if not run.config.any_controls:
        return [run]
    found = [_view(run, targets) for targets in run.config.measured_targets()]
    return [view for view in found if view.measured] or [run]


def middle(run: TrialRun) -> TrialRun:
    """Return a trial's view at its middle target, which every evaluation measures."""
    every = run.config.measured_targets()
    if not run.config.any_controls:
        return run
    view = _view(run, every[len(every) // 2])
    return view if view.measured else run


def label(run: TrialRun) -> str:
    """Return the label of a view in metrics and sample grids; empty for other trials."""
    return "" if run.whole is None else label_of(numbers(run))


def numbers(run: TrialRun) -> dict[ControlName, float]:
    """Return the numeric targets of a trial or view."""
    controls = run.config.controls.items()
    return {name: control.wanted for name, control in controls if not control.is_any}


def short(target: float) -> str:
    """Format a target with at most three decimals."""
    return f"{round(target, 3):g}"


def in_words(targets: Mapping[ControlName, float]) -> str:
    """Format targets for the reader, such as "hue 0.6, saturation 0.35"."""
    return ", ".join(f"{name} {short(value)}" for name, value in targets.items())


def metric_of(run: TrialRun, metric: str) -> str:
    """Return the name of a trial's or view's metric in the tracking store."""
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
