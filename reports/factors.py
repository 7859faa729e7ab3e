"""Settings that were varied between trials, and the trials in which all else is equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from reports.methods import Aim, Cell, Method, told_apart

Place = tuple[Aim, tuple[int, ...]]
"""Target of a trial, and all settings that are not those of a factor."""


@dataclass(frozen=True)
class Factor:
    """A setting, or several that vary together, with its two best values."""

    best: str
    """Value with the smallest mean error, as "base_channels=12"."""
    other: str
    """Value with the next error."""
    cells: list[tuple[Cell, Cell]]
    """Measurements at both values, in pairs of trials in which all else is equal."""
    of_sweeps: bool
    """Whether each sweep of the report has one value."""


def factors(found: Sequence[Method]) -> list[Factor]:
    """Compare the values of each setting by the outputs as such of trials steered to a target.

    Settings that vary together, as steps and lr_decay_steps may, are one factor. Values are
    compared at the targets and other settings that all values have; a setting without such is left
    out. Those in which whole sweeps differ come first.
    """
    several = []
    for kind in dict.fromkeys(method.kind for method in found if not method.is_rival):
        raw = [method for method in found if (method.kind, method.way) == (kind, "raw")]
        groups: dict[tuple[int, ...], list[str]] = {}
        for name in dict.fromkeys(name for method in raw for name, _ in method.settings):
            groups.setdefault(_numbered([dict(m.settings).get(name) for m in raw]), []).append(name)
        varied = [partition for partition in groups if len(set(partition)) > 1]
        several += [_factor(raw, partition, varied) for partition in varied]
    known = [factor for factor in several if factor is not None]
    return sorted(known, key=lambda factor: not factor.of_sweeps)


def _numbered(values: Sequence[object]) -> tuple[int, ...]:
    """Number values by their first place, so that settings that vary together are equal."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(repr(value), len(numbers)) for value in values)


def _factor(
    raw: Sequence[Method], partition: tuple[int, ...], varied: Sequence[tuple[int, ...]]
) -> Factor | None:
    others = [other for other in varied if other != partition]
    of_values: dict[int, dict[Place, Cell]] = {}
    for i, method in enumerate(raw):
        rest = tuple(other[i] for other in others)
        places = of_values.setdefault(partition[i], {})
        places.update({(aim, rest): cell for aim, cell in method.cells.items()})
    shared = set.intersection(*(set(places) for places in of_values.values()))
    if not shared:
        return None

    def error(value: int) -> float:
        return fmean(of_values[value][place].error.mean for place in shared)

    best, other = sorted(of_values, key=error)[:2]
    # Any two methods that agree in all else tell what the values are called.
    where = sorted(shared, key=lambda place: (place[0].targets, place[1]))
    rest = where[0][1]
    first, second = (
        next(
            method
            for i, method in enumerate(raw)
            if partition[i] == value and tuple(other[i] for other in others) == rest
        )
        for value in (best, other)
    )
    return Factor(
        best=told_apart(first, [first, second]),
        other=told_apart(second, [first, second]),
        cells=[(of_values[best][place], of_values[other][place]) for place in where],
        of_sweeps=partition == _numbered([method.sweep for method in raw]),
    )
