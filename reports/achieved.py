"""Plots of the value that each control achieved against its target."""

import math
from collections.abc import Sequence
from statistics import fmean

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.projections.polar import PolarAxes

from gan.control import TARGET_RANGES, ControlName
from reports.drawing import INK, RULES, Drawing, Plot
from reports.marks import Part, PlotLine, count, draw_lines, lines_of, outcome, parts, point
from reports.rows import Row
from reports.runs import TrialRun

UNITS = {"hue": "turns", "chroma": "C*", "a": "a*", "b": "b*", "colourfulness": "M"}


def achieved_against_wanted(
    table: Sequence[Row], sweeps: Sequence[str], free: Sequence[TrialRun]
) -> list[Plot]:
    """Plot the achieved value of each control over its target; hue on a circle.

    Bars span the 10th to the 90th percentile of the held-out images. An any-target trial is a
    curve through its targets, with a thinner curve for its outputs after exact control.

    Args:
        table: rows of all trials.
        sweeps: names of all sweeps in the report, in the order of their colours.
        free: trials without control; their values of each statistic are drawn as lines.
    """
    # Exact control moves outputs onto the target, so only any-target trials show it, as a curve.
    measured = [
        row
        for row in table
        if row.control
        and row.achieved is not None
        and (row.way == "raw" or row.recoloured or row.any_target)
    ]
    with mpl.rc_context(RULES):
        return [
            (_circle if control == "hue" else _square)(
                control,
                [row for row in measured if row.control == control],
                sweeps,
                lines_of(sweeps, free, control),
            )
            for control in dict.fromkeys(row.control for row in measured if row.control)
        ]


def _alt(control: ControlName, table: Sequence[Row]) -> str:
    errors = [row.error for row in table if row.error is not None]
    span = f", error of an image {min(errors):.3f} to {max(errors):.3f}" if errors else ""
    return f"Achieved over wanted {control}, {count(table)}{span}."


def _square(
    control: ControlName, table: Sequence[Row], sweeps: Sequence[str], lines: Sequence[PlotLine]
) -> Plot:
    low, high = TARGET_RANGES[control]
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
    draw_lines(axes, lines)
    for part in parts(table, sweeps):
        points = [point(r, r.target or 0, r.achieved or 0, outcome(r)) for r in part.rows]
        exact = part.kind == "any target, exact"
        for row in part.rows if not exact else []:
            if row.p10 is not None and row.p90 is not None:
                axes.vlines(row.target or 0, row.p10, row.p90, **part.bar)
        if part.kind.startswith("any target"):
            _curves(axes, part, width=0.8 if exact else 2, line="--" if exact else "-")
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


def _curves(axes: Axes, part: Part, width: float, line: str) -> None:
    """Draw a curve per any-target trial: achieved values, averaged over its other targets."""
    trials: dict[str, dict[float, list[float]]] = {}
    for row in part.rows:
        by_target = trials.setdefault(row.anchor, {})
        by_target.setdefault(row.target or 0, []).append(row.achieved or 0)
    colour = part.mark["color"]
    for by_target in trials.values():
        wanted = sorted(by_target)
        means = [fmean(by_target[target]) for target in wanted]
        axes.plot(wanted, means, color=colour, lw=width, ls=line, zorder=3)


def _circle(
    control: ControlName, table: Sequence[Row], sweeps: Sequence[str], lines: Sequence[PlotLine]
) -> Plot:
    """Draw hue: targets outside the ring, achieved values inside, each with its percentile arc."""
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
    drawn = parts(table, sweeps)
    for i, part in enumerate(drawn):
        radius = 0.85 * (1 - i / (len(drawn) + 1))
        for row in part.rows if part.kind != "any target, exact" else []:
            if row.p10 is not None and row.p90 is not None:
                arc = [row.p10 + (row.p90 - row.p10) * k / 24 for k in range(25)]
                axes.plot([a * turn for a in arc], [radius] * 25, **part.bar)
        points = [point(row, (row.achieved or 0) * turn, radius, outcome(row)) for row in part.rows]
        drawing.scatter(axes, points, part.label, **part.mark)
    axes.set_xticks([k / 12 * turn for k in range(12)], [_turns(k) for k in range(12)])
    axes.tick_params(axis="x", pad=9)
    axes.set_yticks([])
    axes.set_xlabel("hue: wanted outside, achieved inside", labelpad=14)
    axes.set_ylim(0, 1.18)
    axes.grid(visible=False)
    axes.spines["polar"].set_visible(False)
    drawing.legend()
    drawing.figure.subplots_adjust(left=0.15, right=0.85)  # room for the tick labels
    return drawing.finish(f"achieved-{control}", _alt(control, table))


def _turns(twelfth: int) -> str:
    names = {0: "0 red", 4: "1/3\ngreen", 8: "2/3\nblue"}
    return names.get(twelfth, f"{twelfth / 12:.2f}" if twelfth % 2 == 0 else "")
