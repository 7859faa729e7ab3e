"""Which method is nearest to its targets, and which is most natural, in words. Pure."""

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
"""Of errors: what rounds to the same is equal."""
RIVAL = "the recoloured baseline"
_WAYS = {"raw": "", "exact": " after exact control"}


@dataclass(frozen=True)
class Interval:
    """A number, and the ends of its interval where that is known."""

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: "Interval") -> bool | None:
        """Whether the two intervals have a value in common; None where one is unknown."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return None
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Method:
    """A way to meet a target, as measured: the mean over seeds."""

    name: str
    rival: bool
    """Whether it is the baseline, recoloured after training."""
    error: float
    """Mean over its controls of |achieved - target|, in parts of their ranges."""
    kid: Interval | None
    js: float | None

    @property
    def shown_error(self) -> str:
        """The error as it is written."""
        return f"{self.error:.{DIGITS}f}"


@dataclass(frozen=True)
class Verdict:
    """The methods that met the same targets."""

    sweep: str
    targets: dict[ControlName, float]
    methods: list[Method]
    """Two or more."""

    @property
    def rival(self) -> Method | None:
        """The recoloured baseline, the nearest if there are several."""
        return min((m for m in self.methods if m.rival), key=lambda m: m.error, default=None)

    @property
    def nearest(self) -> list[Method]:
        """Those with the smallest error, the most natural first; several where it is equal."""
        least = min(self.methods, key=lambda m: m.error).shown_error
        return sorted((m for m in self.methods if m.shown_error == least), key=self.distance)

    @property
    def unit(self) -> str:
        """What an error is in; nothing where the range of the targets is 1."""
        ones = all(span(control) == 1 for control in self.targets)
        return "" if ones else " of the range"

    @property
    def by_kid(self) -> bool:
        """Whether naturalness is told by KID: all methods have it."""
        return all(m.kid is not None for m in self.methods)

    @property
    def most_natural(self) -> Method | None:
        """The one nearest to the fitted originals by KID, else by JS; None if neither is known."""
        known = [m for m in self.methods if self.distance(m) < float("inf")]
        return min(known, key=self.distance) if len(known) == len(self.methods) else None

    def distance(self, method: Method) -> float:
        """Distance of a method from the fitted originals: KID, else JS; infinite if not known."""
        if self.by_kid and method.kid is not None:
            return method.kid.value
        return float("inf") if method.js is None else method.js

    def is_sure(self, method: Method, other: Method) -> bool | None:
        """Whether two methods differ beyond their intervals; None where these are not known."""
        if not self.by_kid or method.kid is None or other.kid is None:
            return None
        overlap = method.kid.overlaps(other.kid)
        return None if overlap is None else not overlap

    def naturalness(self, method: Method) -> str:
        """Write how natural a method is."""
        if not self.by_kid or method.kid is None:
            return f"JS {method.js or 0.0:.3f}"
        kid = method.kid
        ends = "" if kid.low is None or kid.high is None else f" [{kid.low:.0f}, {kid.high:.0f}]"
        return f"KID {kid.value:.0f}{ends}"


def verdicts(table: Sequence[Row]) -> list[Verdict]:
    """Compare the methods of each sweep at each of its targets that several have met.

    On the same held-out images.
    """
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
    """What the head of a report says."""

    text: str
    over: str = ""
    """What it counts over, where it is no verdict on one target."""


def sentences(table: Sequence[Row]) -> list[Sentence]:
    """Say for each sweep which methods are nearest and most natural: at one target, and over all.

    The target is the one that the most methods met, of several the one in the middle.
    """
    said = []
    every = verdicts(table)
    for sweep in dict.fromkeys(row.sweep for row in table):
        if not (these := [verdict for verdict in every if verdict.sweep == sweep]):
            continue
        most = max(len(verdict.methods) for verdict in these)
        fullest = [verdict for verdict in these if len(verdict.methods) == most]
        start = f"{sweep}: of" if len({row.sweep for row in table}) > 1 else "Of"
        said.append(Sentence(f"{start} {_sentence(fullest[(len(fullest) - 1) // 2])}"))
        if len(these) > 1:
            said.append(Sentence(_tally(these), f"Over {len(these)} targets"))
    return said


def _sentence(verdict: Verdict) -> str:
    near, natural = verdict.nearest, verdict.most_natural
    text = f"{len(verdict.methods)} methods at {in_words(verdict.targets)}, "
    if len(near) < 3:
        names = " and ".join(method.name for method in near)
        text += f"{names} {'is' if len(near) == 1 else 'are'} nearest ({_of_error(verdict)})"
    else:
        among = "" if any(method.rival for method in near) else "not "
        text += f"{len(near)} are equally near, {RIVAL} {among}among them ({_of_error(verdict)})"
    if natural is None:
        return f"{text}; how natural they are was not measured."
    said = f"most natural ({_of_naturalness(verdict, natural)})"
    if near == [natural]:
        return f"{text} and {said}."
    return f"{text}; {natural.name} is {said}."


def _other(verdict: Verdict, best: Method, ranked: Sequence[Method]) -> tuple[str, Method] | None:
    """What a winner is held against: the rival, or the next best where it is the rival."""
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
    """Count over targets."""
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
    text = f"Nearest, or as near as any, at: {_listed(near)}."
    if natural:
        text += f" Most natural at: {_listed(natural, sure if known else None)}."
    return text


def _listed(counts: Counter[str], sure: Counter[str] | None = None) -> str:
    beyond = {} if sure is None else {n: f" ({sure[n]} beyond the intervals)" for n in counts}
    return ", ".join(f"{n} {count}{beyond.get(n, '')}" for n, count in counts.most_common())


def _methods(rows: Sequence[Row]) -> list[Method]:
    """Fold the rows of the same targets: controls into their mean, then seeds."""
    found: dict[tuple[str, str, str], dict[Hashable, list[Row]]] = {}
    for row in rows:
        kind = "any-target" if row.any_target else "one generator a target"
        place = (RIVAL if row.recoloured else kind, row.recipe_key, row.way)
        found.setdefault(place, {}).setdefault(row.key, []).append(row)
    methods: dict[Hashable, tuple[Row, Method]] = {}
    for (kind, recipe_key, way), trials in found.items():
        name = kind + ("" if kind == RIVAL else _WAYS[way])
        method = _folded(name, kind == RIVAL, list(trials.values()))
        # Recoloured to a number and as any target a baseline is the same.
        same = (method.shown_error, method.kid, method.js) if method.rival else (name, recipe_key)
        methods.setdefault(same, (next(iter(trials.values()))[0], method))
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
    """Say what tells a method from others of its kind: its recipe, its name, its first trial."""
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
        # Of several seeds the widest: each has its own.
        Interval(fmean(kids), *((min(lows), max(highs)) if known else ()))
        if len(kids) == len(first)
        else None,
        fmean(divergences) if len(divergences) == len(first) else None,
    )
