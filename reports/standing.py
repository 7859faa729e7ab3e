"""Standing of each row among the outputs at its targets: the nearest, the most natural."""

from collections.abc import Hashable, Sequence
from statistics import fmean

from reports.phase import TrialPhase
from reports.rows import Row, Way, span

Place = tuple[str, str, str, Way]
"""Sweep, key, targets and way of a row."""
STANDING = (
    "nearest: the smallest error at these targets, to 0.001; most natural: the smallest KID there, "
    "to 1 (where it was not measured, the smallest JS, to 0.001); on the same pictures, averaged "
    "over seeds, whatever the intervals"
)


def place_of(row: Row) -> Place:
    """Return the key of a row in ``standings``."""
    return row.sweep, row.key, row.targets, row.way


def standings(table: Sequence[Row]) -> dict[Place, str]:
    """Return for rows that are the nearest or the most natural at their targets those words.

    Compared are finished trials on the same pictures, where there are several outputs; those that
    differ only in their seed share their means, and so their words.
    """
    groups: dict[Hashable, dict[Hashable, list[Row]]] = {}
    for row in table:
        if row.control and row.error is not None and row.phase is TrialPhase.FINISHED:
            # An equal trial of another sweep, as a taken-over one, is no rival.
            method = (row.recipe_key, row.total_steps, row.way)
            these = groups.setdefault((row.pictures_key, row.targets), {})
            these.setdefault(method, []).append(row)
    found: dict[Place, list[str]] = {}
    for methods in groups.values():
        if len(methods) < 2:
            continue
        every = [*methods.values()]
        # Of a trial of two sweeps one row counts, or its seed would weigh twice.
        once = [[*{(row.key, row.control): row for row in rows}.values()] for rows in every]
        errors = [
            _mean([(row.error or 0) / span(row.control) for row in m if row.control], 3)
            for m in once
        ]
        kid, js = ([_measured(rows, name, digits) for rows in once] for name, digits in _NATURAL)
        for word, values in (("nearest", errors), ("most natural", js if None in kid else kid)):
            known = [value for value in values if value is not None]
            for rows, value in zip(every, values, strict=True):
                if len(known) == len(values) and value == min(known):
                    for place in dict.fromkeys(map(place_of, rows)):
                        found.setdefault(place, []).append(word)
    return {place: ", ".join(words) for place, words in found.items()}


_NATURAL = (("kid", 0), ("js_divergence", 3))


def _measured(rows: Sequence[Row], name: str, digits: int) -> float | None:
    values = [getattr(row, name) for row in rows]
    return None if None in values else _mean(values, digits)


def _mean(values: Sequence[float], digits: int) -> float:
    return round(fmean(values), digits)
