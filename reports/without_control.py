"""Wanted and achieved values beside what the baseline has without control, in words."""

from collections.abc import Sequence
from statistics import fmean

from gan.control import ControlName
from reports.phase import TrialPhase
from reports.rows import metric, shown
from reports.runs import TrialRun
from reports.views import numbers, short

MOST_TARGETS = 3
"""Number of targets that are named; of more, the lowest, the middle and the highest."""


def without_control(views: Sequence[TrialRun]) -> list[str]:
    """Say for each control what the networks achieve by themselves, and what there is without it.

    Means over the finished trials, and views of any-target trials, on the pictures of a baseline;
    hue is left out, whose mean over a circle tells little.
    """
    done = [view for view in views if view.phase is TrialPhase.FINISHED and view.measured]
    baselines = [view for view in done if not view.config.controls]
    names = dict.fromkeys(name for view in done for name in numbers(view) if name != "hue")
    sentences = (_of_control(name, baselines, done) for name in names)
    return [sentence for sentence in sentences if sentence]


def _of_control(
    name: ControlName, baselines: Sequence[TrialRun], done: Sequence[TrialRun]
) -> str | None:
    pictures = {view.pictures_key for view in baselines}
    values: dict[float, list[float]] = {}
    for view in done:
        value, target = metric(view, name), numbers(view).get(name)
        steered = not view.config.recolour and view.pictures_key in pictures
        if steered and value is not None and target is not None:
            values.setdefault(target, []).append(value)
    without = [value for view in baselines if (value := metric(view, name)) is not None]
    if not values or not without or len(pictures) > 1:
        return None
    targets = sorted(values)
    if len(targets) > MOST_TARGETS:
        targets = [targets[0], targets[len(targets) // 2], targets[-1]]
    got = ", ".join(f"{shown(name, fmean(values[t]), 3)} for {short(t)}" for t in targets)
    return (
        f"Mean {name} without control: {shown(name, fmean(without), 3)}; with it, before exact "
        f"control: {got}."
    )
