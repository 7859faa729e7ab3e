"""Tables of a report's rows: what decides, everything that was measured, and the trainings."""

from collections.abc import Callable, Mapping, Sequence

from reports.columns import (
    AIM,
    CONTROL,
    DECISIVE,
    MIX,
    NATURAL,
    NATURALNESS,
    PHASE,
    QUALITY,
    SWEEP,
    TRAINING,
    TRIAL,
    Part,
    word,
)
from reports.pairs import Pair, pairs
from reports.phase import TrialPhase
from reports.rows import Row
from reports.standing import STANDING, Place, place_of, standings
from reports.tables import Column, Line, Table, Value, shortest, trimmed


def of_controls(table: Sequence[Row]) -> Table:
    """Return a table with a line per trial, target and control: what decides between them."""
    steered = [row for row in table if row.control]
    natural = NATURALNESS if any(row.kid is not None for row in steered) else MIX
    judged = _both_verdicts(standings(table))
    return _table(pairs(steered), [TRIAL, *AIM, *DECISIVE, *natural, judged, PHASE])


def of_all(table: Sequence[Row]) -> Table:
    """Return a table of all measurements and settings that differ, with a line per row."""
    # A weight is lambda, which has a column.
    settings = [part for part in _settings_of(table) if not part.column.title.endswith(".weight")]
    measured = [*CONTROL[0], _verdict(standings(table)), *CONTROL[1], *settings, *NATURAL, *QUALITY]
    return _table([_alone(row) for row in table], [TRIAL, *measured, PHASE])


def of_trainings(table: Sequence[Row]) -> Table:
    """Return a table with a line per trial: its settings that differ, and how it was trained."""
    first: dict[object, Row] = {}
    for row in table:
        first.setdefault((row.sweep, row.key), row)
    parts = [TRAINING[0], *_settings_of(table), *TRAINING[1:]]
    return _table([_alone(row) for row in first.values()], parts)


def _alone(row: Row) -> Pair:
    return Pair(row, None) if row.way == "raw" else Pair(None, row)


def _table(table: Sequence[Pair], parts: list[Part]) -> Table:
    """Make a table, without columns that have no known value, or tell nothing."""
    if len({pair.either.sweep for pair in table}) > 1:
        parts = [parts[0], SWEEP, *parts[1:]]
    kept = [part for part in parts if any(part.value(pair) is not None for pair in table)]
    first = {pair.either.anchor: i for i, pair in reversed([*enumerate(table)])}
    whole = Table(
        [part.column for part in kept],
        [
            Line(
                [part.show(part.value(pair)) + part.detail(pair) for part in kept],
                [part.value(pair) for part in kept],
                pair.either.anchor if first[pair.either.anchor] == i else "",
                "" if pair.either.phase is TrialPhase.FINISHED else pair.either.phase,
            )
            for i, pair in enumerate(table)
        ],
    )
    return trimmed(whole)


def _settings_of(table: Sequence[Row]) -> list[Part]:
    """Return a column for each setting that differs among the trials."""
    keys = dict.fromkeys(key for row in table for key, _ in row.settings)
    return [
        Part(Column(key, text=_is_text(table, key)), _setting(key), _shown_setting) for key in keys
    ]


def _setting(key: str) -> Callable[[Pair], Value]:
    return lambda pair: dict(pair.either.settings)[key]


def _is_text(table: Sequence[Row], key: str) -> bool:
    return any(isinstance(dict(row.settings)[key], str) for row in table)


def _shown_setting(value: Value) -> str:
    return shortest(value) if isinstance(value, float) else word(value)


def _verdict(of: Mapping[Place, str]) -> Part:
    """Return the column of the standing of each row."""
    return Part(Column("Verdict", STANDING, text=True), lambda p: of.get(place_of(p.either)), word)


def _both_verdicts(of: Mapping[Place, str]) -> Part:
    """Return the column of the standings of each pair, raw and exact."""

    def told(pair: Pair) -> Value:
        there = [row for row in (pair.raw, pair.exact) if row is not None]
        words = [(row.way, of[place_of(row)]) for row in there if place_of(row) in of]
        of_one = len(there) == 1
        return "; ".join(text if of_one else f"{way} {text}" for way, text in words) or None

    return Part(Column("Verdict", STANDING, text=True), told, word)
