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

from gan.config import TARGETS, ControlName
from reports.drawing import INK, RULES, Drawing, Plot, Point, in_legend
from reports.rows import Row, shown

LONG_NAME = 24
"""Characters; two such do not fit beside each other below a plot."""
LINES = ("#0072b2", "#d55e00", "#009e73", "#b0508a", "#8f7500", "#6a6ad8", "#808080")
STEERED = ("#0072b2", "#009e73", "#a8487a", "#7a6a00", "#4a4ab8")
"""By sweep; with ``RECOLOURED`` told apart by the colour-blind, and seen on black and white."""
RECOLOURED = "#d55e00"
UNITS = {"hue": "turns", "chroma": "C*", "a": "a*", "b": "b*", "colourfulness": "M"}


def _of_trials(table: Sequence[Row]) -> list[tuple[str, list[Row], dict[str, Any]]]:
    """Split rows by how they are drawn: (label, rows, style); unfinished trials are hollow."""
    sweeps = list(dict.fromkeys(row.sweep for row in table))
    parts: list[tuple[str, list[Row], dict[str, Any]]] = []
    for i, sweep in enumerate(sweeps):
        of = f"{sweep}: " if len(sweeps) > 1 else ""
        for recoloured, finished in product((False, True), (True, False)):
            these = [
                row
                for row in table
                if (row.sweep, row.recoloured) == (sweep, recoloured)
                and (row.status == "FINISHED") == finished
            ]
            colour = RECOLOURED if recoloured and not of else STEERED[i % len(STEERED)]
            style: dict[str, Any] = {"color": colour, "marker": "s" if recoloured else "o"}
            style |= {} if finished else {"markerfacecolor": "none"}
            kind = "recoloured" if recoloured else "steered"
            if these:
                parts.append((of + kind + ", unfinished" * (not finished), these, style))
    return parts


def _point(row: Row, x: float, y: float, text: str) -> Point:
    state = "" if row.status == "FINISHED" else f" ({row.status.lower()})"
    return Point(x, y, row.anchor, f"{row.trial}{state}: {text}")


def _outcome(row: Row) -> str:
    return f"{shown(row.control, row.achieved or 0.0, 3)} for {row.target:g}"


def achieved_against_wanted(table: Sequence[Row], uncontrolled: Mapping[str, float]) -> list[Plot]:
    """Plot each control's achieved value over its target; hue on a circle.

    A bar goes from the 10th to the 90th percentile of the held-out images.

    Args:
        table: of all trials.
        uncontrolled: what the baseline has of each statistic, by name; drawn as a line.
    """
    measured = [row for row in table if row.control and row.achieved is not None]
    with mpl.rc_context(RULES):
        return [
            (_circle if control == "hue" else _square)(
                control,
                [row for row in measured if row.control == control],
                uncontrolled.get(control),
            )
            for control in dict.fromkeys(row.control for row in measured if row.control)
        ]


def _alt(control: ControlName, table: Sequence[Row]) -> str:
    steered = [row for row in table if not row.recoloured][:12]
    pairs = ", ".join(f"{row.achieved:.2f} for {row.target:g}" for row in steered)
    return f"Achieved against wanted {control}: {pairs}. The table of all trials has the numbers."


def _square(control: ControlName, table: Sequence[Row], uncontrolled: float | None) -> Plot:
    low, high = TARGETS[control]
    margin = 0.04 * (high - low)
    drawing = Drawing.sized(4.4, 4.9)
    axes = drawing.figure.subplots()
    lowest = [row.lowest for row in table if row.lowest is not None]
    highest = [row.highest for row in table if row.highest is not None]
    if lowest and highest:
        axes.axhspan(
            min(lowest), max(highest), color=INK, alpha=0.07, lw=0, label="within reach, on average"
        )
    axes.plot([low, high], [low, high], color=INK, alpha=0.5, lw=1, label="achieved = wanted")
    if uncontrolled is not None:
        axes.axhline(uncontrolled, color=INK, ls=":", lw=1.2, label="without control")
    parts = _of_trials(table)
    for i, (label, these, style) in enumerate(parts):
        # Beside each other, so that both are seen where they agree.
        aside = margin * 0.6 * (i - (len(parts) - 1) / 2)
        points = [_point(r, (r.target or 0) + aside, r.achieved or 0, _outcome(r)) for r in these]
        for point, row in zip(points, these, strict=True):
            if row.p10 is not None and row.p90 is not None:
                axes.vlines(point.x, row.p10, row.p90, color=style["color"], lw=1.5, alpha=0.6)
        drawing.scatter(axes, points, label, markersize=6, **style)
    unit = f" ({UNITS[control]})" if control in UNITS else ""
    axes.set(
        xlabel=f"wanted {control}{unit}",
        ylabel=f"achieved{unit}",
        xlim=(low - margin, high + margin),
        ylim=(low - margin, high + margin),
        aspect="equal",
    )
    axes.grid(alpha=0.15, color=INK)
    drawing.legend(columns=2)
    return drawing.finish(f"achieved-{control}", _alt(control, table))


def _circle(control: ControlName, table: Sequence[Row], uncontrolled: float | None) -> Plot:
    """Draw hue: the wanted ones outside the ring, the achieved ones inside, each with its arc."""
    drawing = Drawing.sized(4.4, 4.9)
    axes = drawing.figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)
    turn = 2 * math.pi
    axes.pcolormesh(
        np.linspace(0, turn, 121), [1, 1.07], [np.arange(120)], cmap="hsv", edgecolors="face"
    )
    if uncontrolled is not None:
        axes.plot(
            [uncontrolled * turn] * 2, [0, 1], color=INK, ls=":", lw=1.2, label="without control"
        )
    targets = sorted({row.target for row in table if row.target is not None})
    axes.plot(
        [target * turn for target in targets],
        [1.13] * len(targets),
        marker="v" if len(targets) == 1 else "D",
        color=INK,
        linestyle="none",
        markersize=5,
        label="wanted",
    )
    for target in targets:
        axes.plot([target * turn] * 2, [0.1, 1], color=INK, lw=0.8, alpha=0.4)
    parts = _of_trials(table)
    for i, (label, these, style) in enumerate(parts):
        radius = 0.85 * (1 - i / (len(parts) + 1))
        for row in these:
            if row.p10 is not None and row.p90 is not None:
                arc = [row.p10 + (row.p90 - row.p10) * k / 24 for k in range(25)]
                axes.plot([a * turn for a in arc], [radius] * 25, color=style["color"], alpha=0.6)
        points = [_point(row, (row.achieved or 0) * turn, radius, _outcome(row)) for row in these]
        drawing.scatter(axes, points, label, markersize=6, **style)
    axes.set_xticks([k / 12 * turn for k in range(12)], [_turns(k) for k in range(12)])
    axes.tick_params(axis="x", pad=9)
    axes.set_yticks([])
    axes.set_xlabel("hue: wanted outside, achieved inside", labelpad=14)
    axes.set_ylim(0, 1.18)
    axes.grid(visible=False)
    axes.spines["polar"].set_visible(False)
    drawing.legend(columns=2)
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


def trade_off(trials: Sequence[Cost], quality: str, label: str, uncontrolled: float | None) -> Plot:
    """Plot what control costs: distance from the originals over control error, a point a trial.

    Args:
        trials: those with a control.
        quality: field of the row, such as ``mae``.
        label: of it.
        uncontrolled: the baseline's; drawn as a line.
    """
    with mpl.rc_context(RULES):
        drawing = Drawing.sized(4.4, 3.9)
        axes = drawing.figure.subplots()
        if uncontrolled is not None:
            axes.axhline(uncontrolled, color=INK, ls=":", lw=1.2, label="without control")
        of_row = {trial.row: trial for trial in trials}
        for name, these, style in _of_trials(list(of_row)):
            points = []
            for row in these:
                error, value = of_row[row].error, float(getattr(row, quality))
                text = f"error {error:.3f}, {label} {value:.3f}"
                points.append(_point(row, error, value, text))
            drawing.scatter(axes, points, name, markersize=5, alpha=0.85, **style)
        axes.set(xlabel="control error (of its range)", ylabel=label)
        axes.margins(0.08)
        _name_points(axes, [(t.error, getattr(t.row, quality), t.name) for t in trials])
        axes.grid(alpha=0.15, color=INK)
        drawing.legend(columns=3)
        return drawing.finish(
            f"trade-off-{quality}",
            f"{label} over control error, a point for each of {len(trials)} trials; "
            "the table of all trials has the numbers.",
        )


def _name_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names beside points, as far as there is room."""
    taken: list[tuple[float, float]] = []
    for x, y, name in points:
        across, up = axes.transLimits.transform((x, y))
        if all(abs(across - u) > 0.2 or abs(up - v) > 0.05 for u, v in taken):
            axes.annotate(name, (x, y), (5, 3), textcoords="offset points", fontsize=7.5)
            taken.append((across, up))


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
        columns = 1 if max(len(trial) for trial, _ in lines.values()) > LONG_NAME else 2
        height = 3.2 + 0.2 * -(-len(lines) // columns)  # with the legend
        drawing = Drawing.sized(4.4, height)
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
        if all(value >= 0 for _, points in lines.values() for _, value in points):
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.15, color=INK)
        drawing.legend(columns)
        ends = ", ".join(f"{trial} {points[-1][1]:.3f}" for trial, points in lines.values())
        return drawing.finish(name, f"{label} over training; at the end: {ends}.")
