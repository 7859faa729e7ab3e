"""Pairs of rows: the same control before and after exact control."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.rows import Row


@dataclass(frozen=True)
class Pair:
    """A control of a trial at a target: its rows before and after exact control."""

    raw: Row | None
    """None for a recoloured trial: its baseline has no target."""
    exact: Row | None

    @property
    def either(self) -> Row:
        """One of the two rows, for the values that they share."""
        row = self.raw or self.exact
        assert row is not None, "a pair has one of the two"
        return row


def pairs(table: Sequence[Row]) -> list[Pair]:
    """Pair the rows of each control before and after exact control."""
    found: dict[object, dict[str, Row]] = {}
    for row in table:
        place = (row.sweep, row.key, row.targets, row.control)
        found.setdefault(place, {})[row.way] = row
    return [Pair(ways.get("raw"), ways.get("exact")) for ways in found.values()]
