"""Plots of a report: achieved against wanted, the trade-off, learning curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.projections.polar import PolarAxes

from gan.control import TARGETS, ControlName
from reports.drawing import INK, RULES, Drawing, Plot, Point, in_legend
from reports.rows import Row, shown
from reports.runs import TrialRun

LINES = ("#0072b2", "#d55e00", "#009e73", "#b0508a", "#8f7500", "#6a6ad8", "#808080")
STEERED = ("#0072b2", "#009e73", "#a8487a", "#7a6a00", "#4a4ab8")
"""By sweep; with ``RECOLOURED`` told apart by the colour-blind, and seen on black and white."""
RECOLOURED = "#d55e00"
UNITS = {"hue": "turns", "chroma": "C*", "a": "a*", "b": "b*", "colourfulness": "M"}


@dataclass(frozen=True)
class _Part:
    """Rows that are drawn alike."""

    label: str
    rows: list[Row]
    mark: dict[str, Any]
    """Of a point."""
    bar: dict[str, Any]
    """Of a spread."""


def _parts(table: Sequence[Row], sweeps: Sequence[str]) -> list[_Part]:
    """Split rows of some sweeps by how they are drawn; unfinished trials are hollow.

    What is drawn later is smaller, down to a size: where two points agree, both are seen.
    """
    parts: list[_Part] = []
    for recoloured, (i, sweep), finished in product(
        (False, True), enumerate(sweeps), (True, False)
    ):
        of = f"{sweep}: " if len(sweeps) > 1 else ""
        these = [
            row
            for row in table
            if (row.sweep, row.recoloured) == (sweep, recoloured)
            and (row.state == "finished") == finished
        ]
        if not these:
            continue
        colour = RECOLOURED if recoloured and not of else STEERED[i % len(STEERED)]
        mark: dict[str, Any] = {
            "color": colour,
            "marker": "s" if recoloured else "o",
            "markersize": max(3.0, 8 * 0.6 ** len(parts)),
            "zorder": 4 + len(parts) / 100,
        }
        mark |= {} if finished else {"markerfacecolor": "none"}
        bar = {"color": colour, "lw": 1.4 if recoloured else 5, "alpha": 0.9 if recoloured else 0.3}
        kind = "recoloured" if recoloured else "steered"
        label = of + kind + ", unfinished" * (not finished)
        parts.append(_Part(label, these, mark, bar))
    return parts


def _point(row: Row, x: float, y: float, text: str) -> Point:
    state = "" if row.state == "finished" else f" ({row.state})"
    return Point(x, y, row.anchor, f"{row.trial}{state}: {text}")


def _outcome(row: Row) -> str:
    return f"{shown(row.control, row.achieved or 0.0, 3)} for {row.target:g}"


def achieved_against_wanted(
    table: Sequence[Row], sweeps: Sequence[str], free: Sequence[TrialRun]
) -> list[Plot]:
    """Plot each control's achieved value over its target; hue on a circle.

    A bar goes from the 10th to the 90th percentile of the held-out images.

    Args:
        table: of all trials.
        sweeps: all that the report is of, for their colours.
        free: trials without control; what they have of each statistic is drawn as lines.
    """
    measured = [row for row in table if row.control and row.achieved is not None]
    with mpl.rc_context(RULES):
        return [
            (_circle if control == "hue" else _square)(
                control,
                [row for row in measured if row.control == control],
                sweeps,
                _lines(sweeps, free, control),
            )
            for control in dict.fromkeys(row.control for row in measured if row.control)
        ]


@dataclass(frozen=True)
class _Line:
    """A trial without control."""

    value: float
    label: str
    """Empty for all of a sweep but the first."""
    colour: str


def _lines(sweeps: Sequence[str], free: Sequence[TrialRun], metric: str) -> list[_Line]:
    found: list[_Line] = []
    for i, sweep in enumerate(sweeps):
        label, colour = "without control", INK
        if len(sweeps) > 1:
            label, colour = in_legend(f"{sweep}: {label}"), STEERED[i % len(STEERED)]
        values = [
            run.metrics[f"eval/{metric}"]
            for run in free
            if run.sweep == sweep and f"eval/{metric}" in run.metrics
        ]
        found += [_Line(value, label if k == 0 else "", colour) for k, value in enumerate(values)]
    return found


def _draw_lines(axes: Axes, lines: Sequence[_Line]) -> None:
    for line in lines:
        axes.axhline(line.value, color=line.colour, ls=":", lw=1.2, zorder=1.5, label=line.label)


def _alt(control: ControlName, table: Sequence[Row]) -> str:
    errors = [row.error for row in table if row.error is not None]
    span = f", error of an image {min(errors):.3f} to {max(errors):.3f}" if errors else ""
    return f"Achieved over wanted {control}, {_count(len(table))}{span}."


def _count(trials: int) -> str:
    return f"{trials} trial" + "s" * (trials != 1)


def _square(
    control: ControlName, table: Sequence[Row], sweeps: Sequence[str], lines: Sequence[_Line]
) -> Plot:
    low, high = TARGETS[control]
    margin = 0.04 * (high - low)
    drawing = Drawing.sized(4.4, 4.5)
    axes = drawing.figure.subplots()
    lowest = [row.lowest for row in table if row.lowest is not None]
    highest = [row.highest for row in table if row.highest is not None]
    if lowest and highest:
        axes.axhspan(
            min(lowest), max(highest), color=INK, alpha=0.07, lw=0, label="within reach, on average"
        )
    axes.plot([low, high], [low, high], color=INK, alpha=0.5, lw=1, label="achieved = wanted")
    _draw_lines(axes, lines)
    for part in _parts(table, sweeps):
        points = [_point(r, r.target or 0, r.achieved or 0, _outcome(r)) for r in part.rows]
        for row in part.rows:
            if row.p10 is not None and row.p90 is not None:
                axes.vlines(row.target or 0, row.p10, row.p90, **part.bar)
        drawing.scatter(axes, points, part.label, **part.mark)
    unit = f" ({UNITS[control]})" if control in UNITS else ""
    axes.set(
        xlabel=f"wanted {control}{unit}",
        ylabel=f"achieved{unit}",
        xlim=(low - margin, high + margin),
        ylim=(low - margin, high + margin),
        aspect="equal",
    )
    axes.grid(alpha=0.15, color=INK)
    drawing.legend()
    return drawing.finish(f"achieved-{control}", _alt(control, table))


def _circle(
    control: ControlName, table: Sequence[Row], sweeps: Sequence[str], lines: Sequence[_Line]
) -> Plot:
    """Draw hue: the wanted ones outside the ring, the achieved ones inside, each with its arc."""
    drawing = Drawing.sized(4.4, 4.5)
    axes = drawing.figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)
    turn = 2 * math.pi
    axes.pcolormesh(
        np.linspace(0, turn, 121), [1, 1.07], [np.arange(120)], cmap="hsv", edgecolors="face"
    )
    for line in lines:
        axes.plot(
            [line.value * turn] * 2, [0, 1], color=line.colour, ls=":", lw=1.2, label=line.label
        )
    targets = sorted({row.target for row in table if row.target is not None})
    axes.plot(
        [target * turn for target in targets],
        [1.13] * len(targets),
        marker="D",
        color=INK,
        linestyle="none",
        markersize=5,
        label="wanted",
    )
    for target in targets:
        axes.plot([target * turn] * 2, [0.1, 1], color=INK, lw=0.8, alpha=0.4)
    parts = _parts(table, sweeps)
    for i, part in enumerate(parts):
        radius = 0.85 * (1 - i / (len(parts) + 1))
        for row in part.rows:
            if row.p10 is not None and row.p90 is not None:
                arc = [row.p10 + (row.p90 - row.p10) * k / 24 for k in range(25)]
                axes.plot([a * turn for a in arc], [radius] * 25, **part.bar)
        points = [
            _point(row, (row.achieved or 0) * turn, radius, _outcome(row)) for row in part.rows
        ]
        drawing.scatter(axes, points, part.label, **part.mark)
    axes.set_xticks([k / 12 * turn for k in range(12)], [_turns(k) for k in range(12)])
    axes.tick_params(axis="x", pad=9)
    axes.set_yticks([])
    axes.set_xlabel("hue: wanted outside, achieved inside", labelpad=14)
    axes.set_ylim(0, 1.18)
    axes.grid(visible=False)
    axes.spines["polar"].set_visible(False)
    drawing.legend()
    drawing.figure.subplots_adjust(left=0.15, right=0.85)  # for the names around it
    return drawing.finish(f"achieved-{control}", _alt(control, table))


def _turns(twelfth: int) -> str:
    names = {0: "0 red", 4: "1/3\ngreen", 8: "2/3\nblue"}
    return names.get(twelfth, f"{twelfth / 12:.2f}" if twelfth % 2 == 0 else "")


@dataclass(frozen=True)
class Cost:
    """A trial in a trade-off."""

    row: Row
    error: float
    """Of its controls, in parts of their ranges."""
    name: str
    """Its targets, in few characters."""


def trade_off(
    trials: Sequence[Cost],
    quality: str,
    label: str,
    sweeps: Sequence[str],
    free: Sequence[TrialRun],
) -> Plot:
    """Plot what control costs: distance from the originals over control error, a point a trial.

    Args:
        trials: those with a control.
        quality: field of the row, such as ``mae``.
        label: of it.
        sweeps: all that the report is of.
        free: trials without control; drawn as lines.
    """
    with mpl.rc_context(RULES):
        drawing = Drawing.sized(4.4, 3.5)
        axes = drawing.figure.subplots()
        of_row = {trial.row: trial for trial in trials}
        _draw_lines(axes, _lines(sweeps, free, quality))
        for part in _parts(list(of_row), sweeps):
            points = []
            for row in part.rows:
                error, value = of_row[row].error, float(getattr(row, quality))
                text = f"error {error:.3f}, {label} {value:.3f}"
                points.append(_point(row, error, value, text))
            drawing.scatter(axes, points, part.label, alpha=0.85, **part.mark)
        axes.set(xlabel="control error (of its range)", ylabel=label)
        axes.locator_params(axis="x", nbins=6)
        axes.margins(0.1)
        axes.grid(alpha=0.15, color=INK)
        drawing.legend()
        drawing.name_points([(t.error, getattr(t.row, quality), t.name) for t in trials])
        return drawing.finish(
            f"trade-off-{quality}", f"{label} over control error, {_count(len(trials))}."
        )


Curve = tuple[str, Sequence[tuple[int, float]]]
"""Name of a trial, and its points (step, value)."""


def curves(name: str, label: str, lines: Mapping[int, Curve]) -> Plot:
    """Plot a metric over the steps of each trial.

    Args:
        name: of the plot.
        label: of the metric.
        lines: a curve of each trial, by the trial's place in the report.
    """
    with mpl.rc_context(RULES):
        drawing = Drawing.sized(4.4, 3.2)
        axes = drawing.figure.subplots()
        for i, (trial, points) in lines.items():
            axes.plot(
                [step for step, _ in points],
                [value for _, value in points],
                color=LINES[i % len(LINES)],
                linestyle=("-", "--", ":")[i // len(LINES) % 3],
                lw=1.6,
                marker="." if len(points) < 12 else None,
                label=in_legend(trial),
            )
        axes.set(xlabel="step", ylabel=label)
        axes.locator_params(axis="x", nbins=6)
        if all(value >= 0 for _, points in lines.values() for _, value in points):
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.15, color=INK)
        drawing.legend()
        ends = [points[-1][1] for _, points in lines.values()]
        return drawing.finish(
            name,
            f"{label} over training, {_count(len(lines))}; "
            f"at the end {min(ends):.3f} to {max(ends):.3f}.",
        )
