"""The tables of a report, as text: for the page and for Markdown alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reports.compare import Cell, Folded, Grid, MeanOf
from reports.rows import SYMBOLS, Row, crosstalk, shown, shown_setting
from reports.runs import TrialRun

ABSENT = "–"
Value = str | float | int | None


@dataclass(frozen=True)
class Column:
    """A column."""

    title: str
    meaning: str = ""
    """What it says, where the title does not."""
    text: bool = False
    """Whether it holds words rather than numbers."""


@dataclass(frozen=True)
class Line:
    """A line: what is shown, and what it is sorted by."""

    cells: list[str]
    values: list[Value]
    anchor: str = ""
    state: str = ""
    """Of the trial, where it is not finished."""


@dataclass(frozen=True)
class Table:
    """A table."""

    columns: list[Column]
    lines: list[Line] = field(default_factory=list)

    @property
    def meanings(self) -> list[Column]:
        """The columns that need to be explained."""
        return [column for column in self.columns if column.meaning]


@dataclass(frozen=True)
class _Of:
    """How a column is made from a row."""

    column: Column
    value: Callable[[Row], Value]
    show: Callable[[Value], str]


def number(digits: int = 3) -> Callable[[Value], str]:
    """Return what formats a number; an absent one is a dash."""
    return lambda value: ABSENT if value is None else f"{value:.{digits}f}"


def _word(value: Value) -> str:
    return ABSENT if value is None else str(value)


def _percent(value: Value) -> str:
    return ABSENT if value is None else f"{float(value):.1%}".replace("%", " %")


def duration(seconds: float) -> str:
    """Format seconds as 1:05, 2:03:04 or 3d 04h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d {hours % 24:02}h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _duration(value: Value) -> str:
    return ABSENT if value is None else duration(float(value))


def _trained(get: Callable[[Row], Value]) -> Callable[[Row], Value]:
    """What a recoloured trial has of its baseline is not its own."""
    return lambda row: None if row.recoloured else get(row)


def _achieved(row: Row) -> Value:
    achieved = row.achieved
    return None if achieved is None else float(shown(row.control, achieved, 3))


TRIAL = _Of(Column("Trial", text=True), lambda row: row.trial + " ★" * row.best, _word)
SWEEP = _Of(Column("Sweep", text=True), lambda row: row.sweep, _word)
CONTROL = [
    _Of(Column("Control", text=True), lambda row: row.control, _word),
    _Of(Column("Wanted", "sigma, the target"), lambda row: row.target, number()),
    _Of(Column("λ", "lambda, its weight in the loss"), lambda row: row.weight, number(0)),
    _Of(Column("Achieved", "mean over the held-out images"), _achieved, number()),
    _Of(
        Column(
            "Reachable",
            "the nearest value that any colouring of the same lightness can have, mean over the "
            "images (of colourfulness a bound that few images attain)",
        ),
        lambda row: row.reachable,
        number(),
    ),
    _Of(
        Column(
            "Error",
            "mean over the held-out images of |achieved − wanted|, around the circle for hue",
        ),
        lambda row: row.error,
        number(),
    ),
    _Of(
        Column("Error 90 %", "its 90th percentile, below the mean where few images are far off"),
        lambda row: row.error_p90,
        number(),
    ),
    _Of(
        Column("To reachable", "mean distance of each image from its own nearest value"),
        lambda row: row.reachable_error,
        number(),
    ),
    _Of(
        Column("To reachable 90 %", "its 90th percentile, likewise"),
        lambda row: row.reachable_error_p90,
        number(),
    ),
]
QUALITY = [
    _Of(
        Column(
            "Cross-talk",
            "mean distance from the originals of the statistics that were not asked for, in parts "
            "of their ranges",
        ),
        lambda row: row.crosstalk,
        _percent,
    ),
    _Of(Column("MAE", "of RGB, of 1"), lambda row: row.mae, number()),
    _Of(Column("PSNR", "dB"), lambda row: row.psnr, number(1)),
    _Of(Column("SSIM"), lambda row: row.ssim, number()),
    _Of(Column("ΔE00", "CIEDE2000"), lambda row: row.ciede2000, number(1)),
    _Of(
        Column("Acc. 2 %", "share of pixels within 2 % of the original in L, a and b"),
        lambda row: row.accuracy_2,
        number(),
    ),
    _Of(Column("Acc. 5 %", "likewise"), lambda row: row.accuracy_5, number()),
    _Of(Column("FID"), lambda row: row.fid, number(1)),
    _Of(
        Column("Colourf.", "colourfulness of Hasler and Süsstrunk, of the colorized images alone"),
        lambda row: row.colourfulness,
        number(1),
    ),
    _Of(
        Column("R", "how much the pixels of a colorized image agree in hue: 0 not, 1 wholly"),
        lambda row: row.hue_resultant,
        number(2),
    ),
]
TRAINING = [
    _Of(Column("Steps"), _trained(lambda row: row.steps), _word),
    _Of(Column("Epochs"), _trained(lambda row: row.epochs), number(1)),
    _Of(Column("Time", "of steps that counted"), _trained(lambda row: row.seconds), _duration),
    _Of(Column("Restarts", "after deaths"), _trained(lambda row: row.restarts), _word),
    _Of(
        Column("Goodput", "share of the time on workers that went into steps that counted"),
        _trained(lambda row: row.goodput),
        _percent,
    ),
    _Of(Column("Device", text=True), _trained(lambda row: row.device), _word),
    _Of(Column("State", text=True), lambda row: row.state, _word),
]


def of_controls(table: Sequence[Row]) -> Table:
    """A line for each control of each trial: wanted and achieved."""
    return _table([r for r in table if r.control], [TRIAL, *CONTROL])


def of_quality(table: Sequence[Row]) -> Table:
    """A line for each trial: against the originals, and how it was trained."""
    return _table(_one_a_trial(table), [TRIAL, *QUALITY, *TRAINING])


def of_all(table: Sequence[Row]) -> Table:
    """Everything, a line for each control of each trial."""
    return _table(table, [TRIAL, *CONTROL, *QUALITY, *TRAINING])


def _one_a_trial(table: Sequence[Row]) -> list[Row]:
    return list({(row.sweep, row.key): row for row in reversed(table)}.values())[::-1]


def _table(table: Sequence[Row], parts: list[_Of]) -> Table:
    """Make a table; a column in which nothing is known is left out."""
    if len({row.sweep for row in table}) > 1:
        parts = [SWEEP, *parts]
    kept = [part for part in parts if any(part.value(row) is not None for row in table)]
    return Table(
        [part.column for part in kept],
        [
            Line(
                [part.show(part.value(row)) for part in kept],
                [part.value(row) for part in kept],
                row.anchor,
                "" if row.state == "finished" else row.state,
            )
            for row in table
        ],
    )


def of_crosstalk(runs: Sequence[tuple[str, TrialRun]]) -> Table:
    """A line for each trial, by its label: what it did to each statistic not asked for."""
    return Table(
        [Column("Trial", text=True), *(Column(name) for name in SYMBOLS)],
        [
            Line(
                [label, *(number()(value) for value in crosstalk(run).values())],
                [label, *crosstalk(run).values()],
            )
            for label, run in runs
        ],
    )


def of_seeds(folded: Sequence[Folded]) -> Table:
    """A line for each control of trials that differ in their seed alone."""
    several = len({each.sweep for each in folded}) > 1
    titles = ("Trials", "Control", "Wanted", "Seeds", "Achieved", "Error", "MAE")
    return Table(
        [Column(title, text=title in ("Trials", "Control")) for title in titles],
        [
            Line(
                [
                    f"{each.sweep}: {each.name}" if several else each.name,
                    each.control or ABSENT,
                    number()(each.target),
                    str(each.seeds),
                    *(_spread(value) for value in (each.achieved, each.error, each.mae)),
                ],
                [
                    *(each.name, each.control, each.target, each.seeds),
                    *(None, None, None),
                ],
            )
            for each in folded
        ],
    )


def _spread(value: MeanOf | None) -> str:
    if value is None:
        return ABSENT
    return f"{value.mean:.3f}" + ("" if value.deviation is None else f" ± {value.deviation:.3f}")


def of_grid(grid: Grid) -> Table:
    """The grid, with control error and MAE in each place; the value is its share of the worst."""
    worst = max(_measure(cell) for _, cells in grid.lines for cell in cells) or 1
    return Table(
        [Column(f"{grid.down} ↓  {grid.across} →", text=True)]
        + [Column(shown_setting(value)) for value in grid.columns],
        [
            Line(
                [shown_setting(value), *map(_place, cells)],
                [None, *(round(_measure(cell) / worst, 3) for cell in cells)],
            )
            for value, cells in grid.lines
        ],
    )


def _place(cell: Cell | None) -> str:
    if cell is None:
        return ABSENT
    of = f"{cell.error:.3f}, " if cell.error is not None else ""
    return f"{of}MAE {cell.mae:.3f}" + (f" ({cell.trials} seeds)" if cell.trials > 1 else "")


def _measure(cell: Cell | None) -> float:
    if cell is None:
        return 0.0
    return cell.mae if cell.error is None else cell.error
