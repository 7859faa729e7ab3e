"""Marks of a report's plots: a style per kind of trial, and lines for trials without control."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from matplotlib.axes import Axes

from reports.drawing import INK, Point, in_legend
from reports.folds import recipe, unseeded
from reports.phase import TrialPhase
from reports.rows import Row, shown
from reports.runs import TrialRun

STEERED = ("#0072b2", "#009e73", "#a8487a", "#7a6a00", "#4a4ab8")
"""Colours by sweep; with ``RECOLOURED`` colour-blind safe, and visible on black and on white."""
RECOLOURED = "#d55e00"
MARKERS = {
    "steered": "o",
    "any target": "D",
    "any target, exact": "d",
    "steered, exact": "^",
    "recoloured": "s",
}
"""Marker of each kind of row, in drawing order."""


@dataclass(frozen=True)
class Part:
    """Rows that are drawn alike."""

    kind: str
    """A key of ``MARKERS``."""
    label: str
    rows: list[Row]
    mark: dict[str, Any]
    """Style of a point."""
    bar: dict[str, Any]
    """Style of a percentile bar."""


def kind_of(row: Row) -> str:
    """Return the kind of a row, a key of ``MARKERS``."""
    if row.recoloured:
        return "recoloured"
    exact = ", exact" if row.way == "exact" else ""
    return ("any target" if row.any_target else "steered") + exact


def parts(table: Sequence[Row], sweeps: Sequence[str]) -> list[Part]:
    """Group the rows of some sweeps by drawing style; unfinished trials are hollow.

    Later parts get smaller marks, down to a minimum size, so that coinciding points stay visible.
    """
    found: list[Part] = []
    for kind, (i, sweep), finished in product(MARKERS, enumerate(sweeps), (True, False)):
        of = f"{sweep}: " if len(sweeps) > 1 else ""
        these = [
            row
            for row in table
            if (row.sweep, kind_of(row)) == (sweep, kind)
            and (row.phase is TrialPhase.FINISHED) == finished
        ]
        for n, (apart, rows) in enumerate(_by_recipe(kind, these)):
            own = STEERED[(n + kind.startswith("any target")) % len(STEERED)]
            one = RECOLOURED if kind == "recoloured" else own
            colour = STEERED[i % len(STEERED)] if of else one
            mark: dict[str, Any] = {
                "color": colour,
                "marker": MARKERS[kind],
                "markersize": max(3.0, 8 * 0.75 ** len(found)),
                "zorder": 4 + len(found) / 100,
            }
            mark |= {} if finished else {"markerfacecolor": "none"}
            thin = kind == "recoloured"
            bar = {"color": colour, "lw": 1.4 if thin else 5, "alpha": 0.9 if thin else 0.3}
            label = of + kind + apart + ", unfinished" * (not finished)
            found.append(Part(kind, label, rows, mark, bar))
    return found


def _by_recipe(kind: str, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Group the rows of any-target trials by the settings that distinguish these trials."""
    if not kind.startswith("any target"):
        return [("", list(rows))] if rows else []
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(unseeded(row.training), []).append(row)
    if len(groups) == 1:
        return [("", list(rows))]
    alone = len({recipe(training) for training in groups}) == len(groups)
    names = {training: recipe(training) if alone else training for training in groups}
    return [(f" ({names[t]})" if names[t] else "", these) for t, these in groups.items()]


def point(row: Row, x: float, y: float, text: str) -> Point:
    """Return the point of a row, with its link and tooltip."""
    phase = "" if row.phase is TrialPhase.FINISHED else f" ({row.phase})"
    exact = " after exact control" if row.way == "exact" and not row.recoloured else ""
    return Point(x, y, row.anchor, f"{row.trial}{exact}{phase}: {text}")


def outcome(row: Row) -> str:
    """Format a row's achieved value and target."""
    return f"{shown(row.control, row.achieved or 0.0, 3)} for {row.target:g}"


@dataclass(frozen=True)
class PlotLine:
    """A trial without control, drawn as a line."""

    value: float
    label: str
    """Legend label; empty for all but the first trial of a sweep."""
    colour: str


def lines_of(sweeps: Sequence[str], free: Sequence[TrialRun], metric: str) -> list[PlotLine]:
    """Return a line for each trial without control that has a metric."""
    found: list[PlotLine] = []
    for i, sweep in enumerate(sweeps):
        label, colour = "without control", INK
        if len(sweeps) > 1:
            label, colour = in_legend(f"{sweep}: {label}"), STEERED[i % len(STEERED)]
        values = [
            run.metrics[f"eval/{metric}"]
            for run in free
            if run.sweep == sweep and f"eval/{metric}" in run.metrics
        ]
        found += [
            PlotLine(value, label if k == 0 else "", colour) for k, value in enumerate(values)
        ]
    return found


def draw_lines(axes: Axes, lines: Sequence[PlotLine]) -> None:
    """Draw the values of trials without control as horizontal lines."""
    for line in lines:
        axes.axhline(line.value, color=line.colour, ls=":", lw=1.2, zorder=1.5, label=line.label)


def count(table: Sequence[Row]) -> str:
    """Format the number of trials that some rows belong to."""
    trials = len({(row.sweep, row.key) for row in table})
    return f"{trials} trial" + "s" * (trials != 1)
