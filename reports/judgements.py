"""Table of every method at every target, with a verdict on each."""

import math
from collections.abc import Sequence

from reports.contrast import BEYOND, shown
from reports.methods import Aim, Cell, Measured, Method
from reports.tables import ABSENT, Column, Line, Table
from reports.verdict import ERROR, KID, Measure, aims_of


def table(found: Sequence[Method]) -> Table:
    """Return a table with a line per target, kind of outputs and method, the nearest first.

    Of equally near ones, the most natural is first.

    Methods are judged against the best of the same kind of outputs: raw, or after exact control.
    """
    lines = []
    for aim in aims_of(found):
        for way in ("raw", "exact"):
            there = [m for m in found if m.way == way and aim in m.cells]
            there.sort(key=lambda method: _rank(method.cells[aim]))
            lines += [_line(method, aim, there) for method in there]
    several = len({aim.pictures for aim in aims_of(found)}) > 1
    columns = [
        Column("Target", text=True),
        Column("Method", text=True),
        Column("Output", text=True),
        Column("Error"),
        Column("KID"),
        Column("Nearest", text=True),
        Column("Most natural", text=True),
        Column("Seeds"),
        Column("Pictures", text=True),
    ]
    count = len(columns) if several else len(columns) - 1
    return Table(columns[:count], [Line(line[:count], [None] * count) for line in lines])


def _rank(cell: Cell) -> tuple[float, float]:
    """Sort by the errors as shown, and equal ones by KID."""
    return round(cell.error.mean, ERROR.digits), math.inf if cell.kid is None else cell.kid.mean


def _line(method: Method, aim: Aim, there: Sequence[Method]) -> list[str]:
    cell = method.cells[aim]
    return [
        aim.label,
        method.name,
        method.way,
        shown(cell.error, ERROR.digits),
        ABSENT if cell.kid is None else shown(cell.kid, KID.digits),
        _judged(cell.error, [m.cells[aim].error for m in there], ERROR),
        _judged(cell.kid, [m.cells[aim].kid for m in there], KID),
        str(len(cell.error.of_seeds)),
        aim.pictures,
    ]


def _judged(value: Measured | None, every: Sequence[Measured | None], measure: Measure) -> str:
    known = [other for other in every if other is not None]
    if value is None or len(known) < 2:
        return ABSENT
    best = min(known, key=lambda other: other.mean)
    if round(value.mean, measure.digits) == round(best.mean, measure.digits):
        return "yes"
    basis = value.basis(best)
    if basis is None:
        return "no"
    return f"no, {'beyond' if value.is_beyond(best) else 'within'} {BEYOND[basis]}"
