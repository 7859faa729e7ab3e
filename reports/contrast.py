"""Contrasts of two methods over several pairs of measurements, in words. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from reports.methods import Basis, Measured

BEYOND: dict[Basis, str] = {
    "seeds": "the spread over seeds",
    "photographs": "the intervals",
}


@dataclass(frozen=True)
class Contrast:
    """Numbers of one method beside those of another, of the same targets; smaller is better."""

    pairs: Sequence[tuple[Measured, Measured]]
    digits: int
    """Decimals shown; numbers that round to the same count as equal."""

    @property
    def first(self) -> Measured:
        """Mean of the first method's numbers."""
        return averaged([one for one, _ in self.pairs])

    @property
    def second(self) -> Measured:
        """Mean of the second method's numbers."""
        return averaged([other for _, other in self.pairs])

    @property
    def is_lower(self) -> bool:
        """Whether the first method's mean is the smaller one."""
        return self.first.mean < self.second.mean

    @property
    def lower(self) -> int:
        """Number of pairs that agree with the means."""
        return sum(self._agrees(*pair) for pair in self.pairs)

    @property
    def sure(self) -> int:
        """Number of pairs that agree with the means, and differ beyond their spread."""
        return sum(self._agrees(*pair) and pair[0].is_beyond(pair[1]) for pair in self.pairs)

    @property
    def basis(self) -> Basis | None:
        """Spread by which the pairs are compared; None if it is not known for all, or not one."""
        found = {one.basis(other) for one, other in self.pairs}
        return found.pop() if len(found) == 1 else None

    def _agrees(self, one: Measured, other: Measured) -> bool:
        low, high = (one, other) if self.is_lower else (other, one)
        return round(low.mean, self.digits) < round(high.mean, self.digits)

    def text(self, of: str, of_what: str = "") -> str:
        """Format both numbers, and how sure the difference is.

        Args:
            of: words that follow the second number, such as " of any-target".
            of_what: name of the pairs in the plural, if they are not targets.
        """
        one, other = shown(self.first, self.digits), shown(self.second, self.digits)
        if self.is_same:
            return f"{one}, the same as{of.removeprefix(' of')}" if of else f"{one} for both"
        return f"{one} against {other}{of}{self._judged(of_what)}"

    def _judged(self, of_what: str) -> str:
        count, basis = len(self.pairs), self.basis
        where = f"{self.lower} of {count} {of_what}".rstrip()
        part = f"{'lower' if self.is_lower else 'higher'} at {where}"
        if basis == "photographs" and count > 1:  # the mean of several has no interval
            return f", {part}, {self.sure or 'none'} beyond {BEYOND[basis]}"
        parts = [part] if self.lower < count else []
        if basis and self.is_within:
            parts.insert(0, f"within {BEYOND[basis]}")
        elif basis and self.is_within is False and self.lower == count:
            parts.insert(0, f"beyond {BEYOND[basis]}")
        return "".join(f", {part}" for part in parts)

    @property
    def is_same(self) -> bool:
        """Whether all numbers are equal as shown."""
        one, other = (round(each.mean, self.digits) for each in (self.first, self.second))
        return one == other and not self.lower

    @property
    def is_within(self) -> bool | None:
        """Whether the difference is within its spread; None if that is not known."""
        if self.basis == "photographs" and len(self.pairs) > 1:
            return not self.sure
        if self.basis is None or self.basis != self.first.basis(self.second):
            return None
        return not self.first.is_beyond(self.second)


def averaged(values: Sequence[Measured]) -> Measured:
    """Average numbers of several targets, seed by seed over those that all have, if several.

    The mean of intervals is none: only a single number keeps its own. The deviation over seeds is
    that of one number of them: of their mean it would be small where theirs cancel by chance.
    """
    if len(values) == 1:
        return values[0]
    first, *others = (value.of_seeds.keys() for value in values)
    seeds = [seed for seed in first if all(seed in other for other in others)]
    if len(seeds) > 1 or all(first == other for other in others):
        means = {seed: fmean(value.of_seeds[seed] for value in values) for seed in seeds}
        known = [value.spread for value in values if value.spread is not None]
        return Measured(means, deviation=fmean(s**2 for s in known) ** 0.5 if known else None)
    return Measured({0: fmean(value.mean for value in values)})


def shown(value: Measured, digits: int) -> str:
    """Format a number, with its deviation over seeds, or else its interval over photographs."""
    text = f"{value.mean:.{digits}f}"
    if value.spread is not None:
        return f"{text} ± {value.spread:.{digits}f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
