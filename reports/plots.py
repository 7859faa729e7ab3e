"""Plots of a report, grouped by section."""

import re
from collections.abc import Sequence

from gan.control import CONTROLS
from reports import achieved, compare, figures
from reports.compare import control_error
from reports.drawing import Plot
from reports.figures import Cost
from reports.read import LOSSES, Read
from reports.rows import Row, ways_of
from reports.runs import TrialRun
from reports.views import middle, short

MOST_CURVES = 12


def plots_of(read: Read, table: Sequence[Row]) -> dict[str, list[Plot]]:
    """Draw all plots, by section.

    Args:
        read: data from the tracking store.
        table: rows of all views.
    """
    free = [run for run in read.runs if not run.config.controls]
    return {
        "achieved": achieved.achieved_against_wanted(table, read.sweeps, free),
        "trade_off": _trade_offs(read, table, free),
        "curves": _curves(read),
    }


def _trade_offs(read: Read, table: Sequence[Row], free: Sequence[TrialRun]) -> list[Plot]:
    """Plot KID, MAE and FID over control error; KID after exact control, too."""
    first = {(r.sweep, r.key, r.targets, r.way): r for r in reversed(table)}
    of_view = {(row.sweep, row.key, row.trial): row.targets for row in table}
    trials = [
        Cost(
            first[run.sweep, run.key, of_view[run.sweep, run.key, run.name], way],
            error,
            _short(run),
        )
        for run in read.views
        if not run.config.any_controls  # a trial of which no target was measured
        for way in ways_of(run)
        if (error := control_error(run, way)) is not None
    ]
    found = []
    for quality, label in (("kid", "KID × 1000"), ("mae", "MAE"), ("fid", "FID")):
        there = [
            trial
            for trial in trials
            if getattr(trial.row, quality) is not None
            and (quality == "kid" or trial.row.way == "raw" or trial.row.recoloured)
        ]
        if there:
            found.append(figures.trade_off(there, quality, label, read.sweeps, free))
    return found


def _short(run: TrialRun) -> str:
    return ", ".join(
        f"{CONTROLS[n].symbol} {short(c.wanted)}" for n, c in run.config.controls.items()
    )


def _curves(read: Read) -> list[Plot]:
    names = dict.fromkeys(name for run in read.shown for name in run.config.controls)
    metrics = [(f"eval/{name}_error", f"error of {name}") for name in names]
    plots = []
    for metric, label in (*metrics, ("eval/mae", "MAE"), *LOSSES):
        lines = {
            i: (read.label(middle(run) if metric.startswith("eval/") else run), points)
            for i, run in enumerate(compare.spread(read.shown, MOST_CURVES))
            if (points := read.curves[run.run_id].get(metric))
        }
        if any(len(points) > 1 for _, points in lines.values()):
            plots.append(figures.curves(f"curve-{slug(metric)}", label, lines))
    return plots


def slug(name: str) -> str:
    """Reduce a name to characters that are safe in file names, 100 at most."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:100]
