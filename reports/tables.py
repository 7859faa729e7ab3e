"""Tables of a report as text, for both the page and Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gan.control import CONTROLS
from reports.folds import Cell, Folded, Grid, MeanOf
from reports.rows import crosstalk, shown_setting
from reports.runs import TrialRun

ABSENT = "–"
Value = str | float | int | None


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    meaning: str = ""
    """Explanation, if the title needs one."""
    text: bool = False
    """Whether it holds words rather than numbers."""
    quantity: str = ""
    """What it measures; one that equals another of its quantity in every line is left out."""


@dataclass(frozen=True)
class Line:
    """A line of a table: its texts, and the values to sort by."""

    cells: list[str]
    values: list[Value]
    anchor: str = ""
    """Anchor of its trial on the page; set only on the trial's first line."""
    phase: str = ""
    """Phase of the trial; empty if finished."""


@dataclass(frozen=True)
class Table:
    """A table, given by its columns and lines."""

    columns: list[Column]
    lines: list[Line] = field(default_factory=list)
    left_out: str = ""
    """Columns that tell nothing beside the others, in words."""

    @property
    def meanings(self) -> list[Column]:
        """Columns that need an explanation."""
        return [column for column in self.columns if column.meaning]


def trimmed(table: Table) -> Table:
    """Leave out the columns that are the same in every line, or equal one on their left; say so.

    The first column, which names the lines, stays.
    """
    if len(table.lines) < 2:
        return table
    kept, same, equal = [0], [], []
    texts = [*zip(*(line.cells for line in table.lines), strict=True)]
    for i, column in enumerate(table.columns[1:], start=1):
        alike = [table.columns[k].title for k in kept if _are_equal(table, texts, i, k)]
        if len({*texts[i]}) == 1:
            same.append(f"{column.title} {texts[i][0]}")
        elif alike:
            equal.append(f"{column.title} equals {alike[0]}")
        else:
            kept.append(i)
    said = [f"The same in every line: {', '.join(same)}."] if same else []
    said += [f"In every line {' and '.join(equal)}."] if equal else []
    lines = [
        replace(line, cells=[line.cells[i] for i in kept], values=[line.values[i] for i in kept])
        for line in table.lines
    ]
    return Table([table.columns[i] for i in kept], lines, " ".join(said))


def _are_equal(table: Table, texts: Sequence[Sequence[str]], one: int, other: int) -> bool:
    quantity = table.columns[one].quantity
    alike = quantity != "" and quantity == table.columns[other].quantity
    return alike and texts[one] == texts[other]


def number(digits: int = 3) -> Callable[[Value], str]:
    """Return a function that formats numbers; None becomes a dash."""
    return lambda value: ABSENT if value is None else f"{value:.{digits}f}"


def shortest(value: Value) -> str:
    """Format a number as a person would type it; None becomes a dash."""
    return ABSENT if value is None else f"{value:.12g}"


def duration(seconds: float) -> str:
    """Format seconds as 1:05, 2:03:04 or 3d 04h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d {hours % 24:02}h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def of_crosstalk(runs: Sequence[tuple[str, TrialRun]]) -> Table:
    """Return a table with a line per trial: its cross-talk by statistic."""
    several = [(label, crosstalk(run)) for label, run in runs]
    return Table(
        [Column("Trial", text=True), *(Column(name) for name in CONTROLS)],
        [
            Line([label, *map(number(), values.values())], [label, *values.values()])
            for label, values in several
        ],
    )


def of_seeds(folded: Sequence[Folded]) -> Table:
    """Return a table with a line per control of trials that differ only in their seed."""
    several = len({each.sweep for each in folded}) > 1
    known = [
        (Column(title), get, digits)
        for title, get, digits in _FOLDED
        if any(get(each) is not None for each in folded)
    ]
    texts = [Column("Trials", text=True), Column("Control", text=True)]
    table = Table(
        [*texts, Column("Wanted"), Column("Seeds"), *(column for column, *_ in known)],
        [
            Line(
                [
                    f"{each.sweep}: {each.name}" if several else each.name,
                    each.control or ABSENT,
                    number()(each.target),
                    str(each.seeds),
                    *(_spread(get(each), digits) for _, get, digits in known),
                ],
                [each.name, each.control, each.target, each.seeds, *(None for _ in known)],
            )
            for each in folded
        ],
    )
    return trimmed(table)


_FOLDED: list[tuple[str, Callable[[Folded], MeanOf | None], int]] = [
    ("Achieved", lambda each: each.achieved, 3),
    ("Error raw", lambda each: each.error, 3),
    ("Error exact", lambda each: each.exact_error, 3),
    ("KID raw", lambda each: each.kid, 0),
    ("KID exact", lambda each: each.exact_kid, 0),
    ("MAE", lambda each: each.mae, 3),
]


def _spread(value: MeanOf | None, digits: int) -> str:
    if value is None:
        return ABSENT
    deviation = "" if value.deviation is None else f" ± {value.deviation:.{digits}f}"
    return f"{value.mean:.{digits}f}{deviation}"


def of_grid(grid: Grid) -> Table:
    """Return a grid's table of control error and MAE; its values are relative to the worst."""
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
