"""Table of the dry run: a line for each trial, within the width of the terminal."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gan.plain_text import printable
from reports.tables import duration

if TYPE_CHECKING:
    from orchestrator.commands.dry_run import Planned

GAP = 1
LEAST_NAME = 12
"""Characters that a name keeps at least."""
NUMBERS: dict[str, tuple[str, Callable[["Planned"], str]]] = {
    "Steps": ("steps", lambda row: f"{row.step}/{row.steps}" if row.steps else ""),
    "Epochs": ("epochs", lambda row: f"{row.epochs:.1f}" if row.steps else ""),
    "Batch": ("batch size", lambda row: str(row.batch_size)),
    "Base": ("base channels", lambda row: str(row.base_channels)),
    "Px": ("pixels", lambda row: str(row.image_size)),
    "Data": ("training + held-out images of", lambda row: row.data),
    "Left": ("time left", lambda row: "?" if row.seconds is None else duration(row.seconds)),
}
"""Columns after name and phase: their headings, what they are in words, and their cells."""
ALWAYS = {"Steps", "Left"}
"""Columns that are shown although they are equal in all rows."""


def plan_table(rows: Sequence["Planned"], width: int) -> tuple[Table, list[str]]:
    """Return the table, and in lines below it what is equal in all of its rows."""
    cells = {heading: [text(row) for row in rows] for heading, (_, text) in NUMBERS.items()}
    alike = {h: of[0] for h, of in cells.items() if len({*of} - {""}) == 1 and h not in ALWAYS}
    alike = {h: next(filter(None, cells[h])) for h in alike} if len(rows) > 1 else {}
    shown = [heading for heading in cells if heading not in alike and any(cells[heading])]
    phases = max((len(row.phase) for row in rows), default=0)
    left = width - phases - GAP
    left -= sum(max(len(h), *map(len, cells[h])) + GAP for h in shown)
    with_key = width > 100 and left - GAP - 10 > max((len(row.name) for row in rows), default=0)
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("Trial", no_wrap=True)
    if with_key:
        table.add_column("Key", no_wrap=True)
    table.add_column("Phase", no_wrap=True)
    for heading in shown:
        table.add_column(heading, justify="right", no_wrap=True)
    names = fitted([printable(row.name) for row in rows], max(LEAST_NAME, left - GAP))
    for index, (name, row) in enumerate(zip(names, rows, strict=True)):
        table.add_row(
            name,
            *([row.key] if with_key else []),
            Text(row.phase, row.phase.style),
            *(cells[heading][index] for heading in shown),
        )
    return table, _words(shown, alike)


def _words(shown: Sequence[str], alike: dict[str, str]) -> list[str]:
    lines = []
    explained = {"Base": "base channels", "Px": "image size", "Data": "training + held-out images"}
    if notes := [f"{h}: {text}" for h, text in explained.items() if h in shown]:
        lines.append("; ".join(notes))
    if alike:
        lines.append("all: " + ", ".join(f"{NUMBERS[h][0]} {text}" for h, text in alike.items()))
    return lines


def fitted(names: Sequence[str], width: int) -> list[str]:
    """Shorten names to a width at the end, or within, where they would become equal.

    Names that no cut tells apart get their numbers.
    """
    ends = [width - 1, *range(width - 2, 1, -1)]
    for head in ends:
        cut = [_cut(name, width, head) for name in names]
        if len({*cut}) == len({*names}):
            return cut
    return [f"{_cut(name, width - 6, width - 7)} #{i + 1}" for i, name in enumerate(names)]


def _cut(name: str, width: int, head: int) -> str:
    """Cut a name after ``head`` characters; the rest of the width is its end."""
    if len(name) <= width:
        return name
    tail = width - 1 - head
    return f"{name[:head]}…{name[len(name) - tail :]}"
