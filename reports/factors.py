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
    kind: str
    """Kind of the methods if there are several kinds, else empty."""

    @property
    def with_different_seeds(self) -> int:
        """Number of pairs whose trials differ in their seeds."""
        return sum(a.error.of_seeds.keys() != b.error.of_seeds.keys() for a, b in self.cells)


def factors(found: Sequence[Method]) -> list[Factor]:
    """Compare the values of each setting by the outputs as such of trials steered to a target.

    Settings that vary together, as steps and lr_decay_steps may, are one factor. Values are
    compared at the targets and other settings that all of them have. Where none are common to all,
    as with weights of 1 and 10 in one sweep and of 1 and 100 in another that differs in more, there
    is a factor for each set of values that have some in common. Those in which whole sweeps differ
    come first.
    """
    several = []
    kinds = [*dict.fromkeys(method.kind for method in found if not method.is_rival)]
    for kind in kinds:
        raw = [method for method in found if (method.kind, method.way) == (kind, "raw")]
        groups: dict[tuple[int, ...], list[str]] = {}
        for name in dict.fromkeys(name for method in raw for name, _ in method.settings):
            groups.setdefault(_numbered([dict(m.settings).get(name) for m in raw]), []).append(name)
        varied = [partition for partition in groups if len(set(partition)) > 1]
        said = kind if len(kinds) > 1 else ""
        several += [factor for one in varied for factor in _factors(raw, one, varied, said)]
    return sorted(several, key=lambda factor: not factor.of_sweeps)


def _numbered(values: Sequence[object]) -> tuple[int, ...]:
    """Number values by their first place, so that settings that vary together are equal."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(repr(value), len(numbers)) for value in values)


def _factors(
    raw: Sequence[Method],
    partition: tuple[int, ...],
    varied: Sequence[tuple[int, ...]],
    kind: str,
) -> list[Factor]:
    others = [other for other in varied if other != partition]
    of_places: dict[Place, dict[int, Method]] = {}
    for i, method in enumerate(raw):
        rest = tuple(other[i] for other in others)
        for aim in method.cells:
            of_places.setdefault((aim, rest), {})[partition[i]] = method
    compared = [there.keys() for there in of_places.values() if len(there) > 1]
    largest = {frozenset(v) for v in compared if not any(v < other for other in compared)}
    of_sweeps = partition == _numbered([method.sweep for method in raw])
    return [_factor(values, of_places, of_sweeps, kind) for values in sorted(largest, key=sorted)]


def _factor(
    values: frozenset[int], of_places: dict[Place, dict[int, Method]], of_sweeps: bool, kind: str
) -> Factor:
    """Compare values at the places that all of them have."""
    where = sorted(
        (place for place, there in of_places.items() if there.keys() >= values),
        key=lambda place: (place[0].targets, place[1]),
    )

    def cells(value: int) -> list[Cell]:
        return [of_places[place][value].cells[place[0]] for place in where]

    ranked = sorted((fmean(cell.error.mean for cell in cells(value)), value) for value in values)
    best, other = (value for _, value in ranked[:2])
    # Any two methods that agree in all else tell what the values are called.
    pair = [of_places[where[0]][value] for value in (best, other)]
    return Factor(
        best=told_apart(pair[0], pair),
        other=told_apart(pair[1], pair),
        cells=list(zip(cells(best), cells(other), strict=True)),
        of_sweeps=of_sweeps,
        kind=kind,
    )
