"""Plots of a report: the trade-off between control and quality, and learning curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl

from reports.drawing import INK, RULES, Drawing, Plot, in_legend
from reports.marks import count, draw_lines, lines_of, parts, point
from reports.rows import Row
from reports.runs import TrialRun

LINES = ("#0072b2", "#d55e00", "#009e73", "#b0508a", "#8f7500", "#6a6ad8", "#808080")


@dataclass(frozen=True)
class Cost:
    """A trial in a trade-off."""

    row: Row
    error: float
    """Control error, as a share of the range."""
    name: str
    """Abbreviated targets, such as "H 0.6"."""


def trade_off(
    trials: Sequence[Cost],
    quality: str,
    label: str,
    sweeps: Sequence[str],
    free: Sequence[TrialRun],
) -> Plot:
    """Plot the cost of control: a quality metric over control error, one point per trial.

    Args:
        trials: trials with a control.
        quality: field of the row to plot, such as ``mae``.
        label: name of that field on the axis.
        sweeps: names of all sweeps in the report.
        free: trials without control, drawn as lines; omitted for KID, since theirs is measured
            from photographs that were not moved to a target.
    """
    with mpl.rc_context(RULES):
        drawing = Drawing.sized(4.4, 3.5)
        axes = drawing.figure.subplots()
        of_row = {trial.row: trial for trial in trials}
        draw_lines(axes, lines_of(sweeps, free if quality != "kid" else [], quality))
        for part in parts(list(of_row), sweeps):
            points = []
            for row in part.rows:
                error, value = of_row[row].error, float(getattr(row, quality))
                text = f"error {error:.3f}, {label} {value:.3f}"
                points.append(point(row, error, value, text))
            drawing.scatter(axes, points, part.label, alpha=0.85, **part.mark)
        axes.set(xlabel="control error (of its range)", ylabel=label)
        axes.locator_params(axis="x", nbins=6)
        axes.margins(0.1)
        axes.grid(alpha=0.15, color=INK)
        drawing.legend()
        drawing.name_points([(t.error, getattr(t.row, quality), t.name) for t in trials])
        return drawing.finish(
            f"trade-off-{quality}", f"{label} over control error, {count([t.row for t in trials])}."
        )


Curve = tuple[str, Sequence[tuple[int, float]]]
"""Name of a trial, and its points (step, value)."""


def curves(name: str, label: str, lines: Mapping[int, Curve]) -> Plot:
    """Plot a metric of several trials over their steps.

    Args:
        name: name of the plot.
        label: name of the metric on the axis.
        lines: curve of each trial, by the trial's position in the report.
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
            f"{label} over training, {len(lines)} trial{'s' * (len(lines) != 1)}; "
            f"at the end {min(ends):.3f} to {max(ends):.3f}.",
        )
