"""Pictures of a report: the overview of all trials, and achieved against wanted."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from gan import samples
from gan.config import TARGETS, ControlName
from reports.compare import Row

mpl.use("agg")


def strips(grids: Sequence[tuple[str, bytes]]) -> list[tuple[str, Image.Image]]:
    """Stack the trials over the same held-out images: grayscale, original, then each trial.

    Args:
        grids: (trial name, its sample grid as PNG) in order.
    """
    found: list[tuple[str, Image.Image]] = []
    for name, png in grids:
        rows = samples.split(png)
        if not found:
            found = list(zip(samples.ROWS[:-1], rows, strict=False))
        found.append((name, rows[-1]))
    return found


def overview(grids: Sequence[tuple[str, bytes]]) -> bytes:
    """Draw ``strips`` with their names at the left, as a PNG."""
    lines = strips(grids)
    width, height = lines[0][1].size
    inch = 130.0
    margin = 1.5
    total = len(lines) * (height + samples.GAP) / inch
    figure = Figure(figsize=(margin + width / inch, total), dpi=inch)
    for i, (name, strip) in enumerate(lines):
        bottom = 1 - (i + 1) / len(lines)
        left = margin / (margin + width / inch)
        axes = figure.add_axes(
            (left, bottom, 1 - left, height / (height + samples.GAP) / len(lines))
        )
        axes.imshow(strip, interpolation="nearest", aspect="auto")
        axes.axis("off")
        figure.text(
            left * 0.96,
            bottom + 0.5 / len(lines),
            name.replace(", ", "\n"),
            ha="right",
            va="center",
            fontsize=9,
        )
    return to_png(figure)


def achieved_against_wanted(
    table: Sequence[Row], uncontrolled: Mapping[str, float]
) -> bytes | None:
    """Plot each control's achieved value and error over its target, as a PNG.

    The bar is the mean error of single images; a dash is the nearest reachable value. None
    where no trial has a control that was measured.

    Args:
        table: of all trials.
        uncontrolled: what the baseline has of each statistic, by name; drawn as a line.
    """
    measured = [row for row in table if row.control and row.achieved is not None]
    controls = list(dict.fromkeys(row.control for row in measured if row.control))
    if not controls:
        return None
    figure = Figure(figsize=(3.6 * len(controls) + 0.6, 4.7), dpi=110, layout="constrained")
    for axes, control in zip(
        figure.subplots(1, len(controls), squeeze=False)[0], controls, strict=True
    ):
        _plot_control(axes, control, [row for row in measured if row.control == control])
        if (value := uncontrolled.get(control)) is not None:
            axes.axhline(value, color="0.4", linestyle=":", linewidth=1.2, label="without control")
    figure.legend(
        *axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=2
    )
    return to_png(figure)


def _plot_control(axes: Axes, control: ControlName, table: Sequence[Row]) -> None:
    low, high = TARGETS[control]
    margin = 0.03 * (high - low)
    axes.plot(
        [low, high], [low, high], color="0.6", linewidth=1, zorder=1, label="achieved = wanted"
    )
    for recoloured, colour, marker, label in (
        (False, "C0", "o", "steered, ± mean error per image"),
        (True, "C1", "s", "recoloured after training"),
    ):
        part = [row for row in table if row.recoloured == recoloured]
        axes.errorbar(
            # Beside each other, so that both are seen where they agree.
            [(row.target or 0.0) + margin * (0.4 if recoloured else -0.4) for row in part],
            [row.achieved or 0.0 for row in part],
            yerr=[row.error or 0.0 for row in part],
            fmt=marker,
            markersize=5,
            color=colour,
            capsize=3,
            zorder=3,
            label=label,
        )
    axes.plot(
        [row.target or 0.0 for row in table],
        [row.reachable or 0.0 for row in table],
        "_",
        color="0.25",
        markersize=16,
        zorder=2,
        label="nearest reachable",
    )
    unit = {"hue": " (turns)", "chroma": " (C*)", "a": " (a*)", "b": " (b*)"}.get(control, "")
    axes.set(
        title=control,
        xlabel=f"wanted{unit}",
        ylabel=f"achieved{unit}",
        xlim=(low - margin, high + margin),
        ylim=(low - margin, high + margin),
        aspect="equal",
    )
    axes.grid(alpha=0.25)


def to_png(figure: Figure) -> bytes:
    """Render a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()
