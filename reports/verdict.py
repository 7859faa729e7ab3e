"""Verdicts in words: the methods nearest to their targets and most natural. Pure functions."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from gan.control import ControlName
from reports.folds import recipe, unseeded
from reports.phase import TrialPhase
from reports.rows import Row, span
from reports.views import in_words

DIGITS = 3
"""Decimals of errors; errors that round to the same number count as equal."""
RIVAL = "the recoloured baseline"
_WAYS = {"raw": "", "exact": " after exact control"}


@dataclass(frozen=True)
class Interval:
    """A number, and the ends of its interval if known."""

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: "Interval") -> bool | None:
        """Whether the two intervals have a value in common; None if one is unknown."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return None
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Method:
    """A method of meeting a target, with its measurements averaged over seeds."""

    name: str
    rival: bool
    """Whether it is the recoloured baseline."""
    error: float
    """Mean over its controls of |achieved - target|, as a share of their ranges."""
    kid: Interval | None
    js: float | None

    @property
    def shown_error(self) -> str:
        """Error as displayed."""
        return f"{self.error:.{DIGITS}f}"


@dataclass(frozen=True)
class Verdict:
    """Comparison of the methods that were measured at the same targets."""

    sweep: str
    targets: dict[ControlName, float]
    methods: list[Method]
    """At least two methods."""

    @property
    def rival(self) -> Method | None:
        """The recoloured baseline; the nearest one if there are several."""
        return min((m for m in self.methods if m.rival), key=lambda m: m.error, default=None)

    @property
    def nearest(self) -> list[Method]:
        """Methods with the smallest displayed error, the most natural first."""
        least = min(self.methods, key=lambda m: m.error).shown_error
        return sorted((m for m in self.methods if m.shown_error == least), key=self.distance)

    @property
    def unit(self) -> str:
        """Unit of the errors; empty if the range of every target is 1."""
        ones = all(span(control) == 1 for control in self.targets)
        return "" if ones else " of the range"

    @property
    def by_kid(self) -> bool:
        """Whether naturalness is judged by KID: only if all methods have it."""
        return all(m.kid is not None for m in self.methods)

    @property
    def most_natural(self) -> Method | None:
        """Method nearest to the fitted originals by KID, else JS; None unless known for all."""
        known = [m for m in self.methods if self.distance(m) < float("inf")]
        return min(known, key=self.distance) if len(known) == len(self.methods) else None

    def distance(self, method: Method) -> float:
        """Return a method's distance from the fitted originals: KID, else JS, else infinity."""
        if self.by_kid and method.kid is not None:
            return method.kid.value
        return float("inf") if method.js is None else method.js

    def is_sure(self, method: Method, other: Method) -> bool | None:
        """Whether two methods differ beyond their KID intervals; None if these are unknown."""
        if not self.by_kid or method.kid is None or other.kid is None:
            return None
        overlap = method.kid.overlaps(other.kid)
        return None if overlap is None else not overlap

    def naturalness(self, method: Method) -> str:
        """Format a method's distance from the fitted originals."""
        if not self.by_kid or method.kid is None:
            return f"JS {method.js or 0.0:.3f}"
        kid = method.kid
        ends = "" if kid.low is None or kid.high is None else f" [{kid.low:.0f}, {kid.high:.0f}]"
        return f"KID {kid.value:.0f}{ends}"


def verdicts(table: Sequence[Row]) -> list[Verdict]:
    """Compare the methods of each sweep at shared targets, on the same held-out images."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in table:
        measured = row.target is not None and row.error is not None
        if row.control and measured and row.phase is TrialPhase.FINISHED:
            groups.setdefault((row.sweep, row.pictures_key, row.targets), []).append(row)
    found = [
        Verdict(sweep, {r.control: r.target or 0.0 for r in rows if r.control}, methods)
        for (sweep, *_), rows in groups.items()
        if len(methods := _methods(rows)) > 1
    ]
    return sorted(found, key=lambda verdict: [*verdict.targets.items()])


@dataclass(frozen=True)
class Sentence:
    """A sentence at the head of a report."""

    text: str
    over: str = ""
    """Heading of a count over several targets; empty for a verdict on one target."""


def sentences(table: Sequence[Row]) -> list[Sentence]:
    """Say for each sweep which methods are nearest and most natural: at one target, and over all.

    The one target is the one with the most methods; among several, the middle one.
    """
    said = []
    every = verdicts(table)
    for sweep in dict.fromkeys(row.sweep for row in table):
        if not (these := [verdict for verdict in every if verdict.sweep == sweep]):
            continue
        most = max(len(verdict.methods) for verdict in these)
        fullest = [verdict for verdict in these if len(verdict.methods) == most]
        start = f"{sweep}: of" if len({row.sweep for row in table}) > 1 else "Of"
        chosen, why = fullest[(len(fullest) - 1) // 2], _why(len(fullest), len(these))
        said.append(Sentence(f"{start} {_sentence(chosen, why)}"))
        if len(these) > 1:
            said.append(Sentence(_tally(these), f"Over {len(these)} targets"))
    return said


def _why(fullest: int, targets: int) -> str:
    """Say why one of several targets is the one of the sentence."""
    if targets == 1:
        return ""
    if fullest == 1:
        return " (the target of most methods)"
    return f" (the middle of {fullest} targets{' of most methods' if fullest < targets else ''})"


def _sentence(verdict: Verdict, why: str) -> str:
    near, natural = verdict.nearest, verdict.most_natural
    text = f"{len(verdict.methods)} methods at {in_words(verdict.targets)}{why}, "
    if len(near) < 3:
        names = " and ".join(method.name for method in near)
        text += f"{names} {'is' if len(near) == 1 else 'are'} nearest ({_of_error(verdict)})"
    else:
        among = "" if any(method.rival for method in near) else "not "
        text += f"{len(near)} are equally near, {RIVAL} {among}among them ({_of_error(verdict)})"
    if natural is None:
        return f"{text}; naturalness was not measured."
    # JS compares colours wherever they are in a picture: it does not see noise or a lattice.
    what = "most natural" if verdict.by_kid else "most natural in its mix of colours"
    said = f"{what} ({_of_naturalness(verdict, natural)})"
    if near == [natural]:
        return f"{text} and {said}."
    return f"{text}; {natural.name} is {said}."


def _other(verdict: Verdict, best: Method, ranked: Sequence[Method]) -> tuple[str, Method] | None:
    """Return the method to compare a winner with, and its name: the rival, else the next best."""
    if verdict.rival is not None and not best.rival:
        return "rival", verdict.rival
    other = next((method for method in ranked if method is not best), None)
    return None if other is None else (f"next: {other.name},", other)


def _of_error(verdict: Verdict) -> str:
    near = verdict.nearest
    text = f"error {near[0].shown_error}{verdict.unit}"
    if any(method.rival for method in near[1:]):
        return text
    others = sorted(verdict.methods, key=lambda method: method.error)
    against = _other(verdict, near[0], [m for m in others if m not in near])
    return text if against is None else f"{text}; {against[0]} {against[1].shown_error}"


def _of_naturalness(verdict: Verdict, best: Method) -> str:
    text = verdict.naturalness(best)
    if best not in verdict.nearest:
        text += f" at error {best.shown_error}"
    against = _other(verdict, best, sorted(verdict.methods, key=verdict.distance))
    if against is None:
        return text
    name, other = against
    theirs = verdict.naturalness(other)
    if theirs == verdict.naturalness(best):
        return f"{text}; {name} the same"
    within = verdict.is_sure(best, other) is False
    text = f"{text}; {name} {theirs.split(' ', 1)[1]}"
    return text + (": a difference within the intervals" if within else "")


def _tally(these: Sequence[Verdict]) -> str:
    """Count the targets at which each method is nearest, and most natural."""
    near: Counter[str] = Counter()
    natural: Counter[str] = Counter()
    sure: Counter[str] = Counter()
    known = False
    for verdict in these:
        near.update([method.name for method in verdict.nearest])
        if (best := verdict.most_natural) is None:
            continue
        least = verdict.naturalness(best)
        as_natural = [m.name for m in verdict.methods if verdict.naturalness(m) == least]
        natural.update(as_natural)
        against = _other(verdict, best, sorted(verdict.methods, key=verdict.distance))
        if against is not None and (beyond := verdict.is_sure(best, against[1])) is not None:
            known = True
            sure[best.name] += beyond
    text = f"Nearest (or tied) at: {_listed(near)}."
    if natural:
        text += f" Most natural (or tied) at: {_listed(natural, sure if known else None)}."
    return text


def _listed(counts: Counter[str], sure: Counter[str] | None = None) -> str:
    beyond = {} if sure is None else {n: f" ({sure[n]} beyond the intervals)" for n in counts}
    return ", ".join(f"{n} {count}{beyond.get(n, '')}" for n, count in counts.most_common())


def _methods(rows: Sequence[Row]) -> list[Method]:
    """Aggregate the rows of the same targets: average over controls, then over seeds."""
    found: dict[tuple[str, str, str], dict[Hashable, list[Row]]] = {}
    for row in rows:
        kind = "any-target" if row.any_target else "one generator a target"
        place = (RIVAL if row.recoloured else kind, row.recipe_key, row.way)
        found.setdefault(place, {}).setdefault(row.key, []).append(row)
    methods: dict[Hashable, tuple[Row, Method]] = {}
    for (kind, recipe_key, way), trials in found.items():
        name = kind + ("" if kind == RIVAL else _WAYS[way])
        method = _folded(name, kind == RIVAL, list(trials.values()))
        # A baseline recoloured to a number equals one recoloured as an any-target trial: keep one.
        same = (method.shown_error, method.kid, method.js) if method.rival else (name, recipe_key)
        methods.setdefault(same, (next(iter(trials.values()))[0], method))
    # Each method gets the shortest name that no other method of its kind has.
    names = [_names(row) for row, _ in methods.values()]
    kinds = [method.name for _, method in methods.values()]
    told = [Counter(zip(kinds, each, strict=True)) for each in zip(*names, strict=True)]
    found_names = [
        next(name for count, name in zip(told, each, strict=True) if count[kind, name] == 1)
        for kind, each in zip(kinds, names, strict=True)
    ]
    return [
        replace(method, name=f"{method.name} ({apart})") if apart else method
        for apart, (_, method) in zip(found_names, methods.values(), strict=True)
    ]


def _names(row: Row) -> tuple[str, str, str]:
    """Return names for a method, shortest first: its recipe, its name, its name and trial."""
    name = unseeded(row.training)
    return recipe(name), name, f"{name}, trial {row.key}"


def _folded(name: str, rival: bool, trials: Sequence[Sequence[Row]]) -> Method:
    errors = [
        fmean((row.error or 0.0) / span(row.control) for row in rows if row.control)
        for rows in trials
    ]
    first = [rows[0] for rows in trials]
    kids = [row.kid for row in first if row.kid is not None]
    lows = [row.kid_low for row in first if row.kid_low is not None]
    highs = [row.kid_high for row in first if row.kid_high is not None]
    known = len(lows) == len(highs) == len(first)
    divergences = [row.js_divergence for row in first if row.js_divergence is not None]
    return Method(
        name,
        rival,
        fmean(errors),
        # Each seed has its own interval; use the range that covers them all.
        Interval(fmean(kids), *((min(lows), max(highs)) if known else ()))
        if len(kids) == len(first)
        else None,
        fmean(divergences) if len(divergences) == len(first) else None,
    )
