"""Verdicts in words: what is nearest to its targets, what that costs, and what is sure of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from reports import meanings
from reports.contrast import Contrast, averaged, shown
from reports.factors import Factor, factors
from reports.methods import Aim, Cell, Measured, Method, methods
from reports.rows import span
from reports.runs import TrialRun
from reports.without_control import without_control

DIGITS = 3
"""Decimals of errors; errors that round to the same number count as equal."""
FEW = 50
"""Images below which KID says little: of 24, its standard deviation over two seeds was up to 71."""
MOST_LINES = 4
"""Maximum number of sentences at the head of a report, without those on their basis."""
Value = Callable[[Cell], Measured | None]


@dataclass(frozen=True)
class Measure:
    """A number by which methods are compared; smaller is better."""

    name: str
    value: Value
    digits: int


ERROR = Measure("error", lambda cell: cell.error, DIGITS)
KID = Measure("KID", lambda cell: cell.kid, 0)
# JS compares colours wherever they are in a picture: it does not see noise or a lattice.
JS = Measure("JS (its mix of colours alone)", lambda cell: cell.js, 3)


@dataclass(frozen=True)
class Verdict:
    """Comparison of the methods of a report in words."""

    head: list[str]
    """Sentences that head the report."""
    more: list[str]
    """Other sentences: on what there is without control, and on further settings and controls."""
    basis: list[str]
    """Sentences on what was measured, and on the seeds."""
    meanings: list[tuple[str, str]]
    """The words and signs used, each with what it means."""
    methods: list[Method]


def verdict(views: Sequence[TrialRun]) -> Verdict:
    """Compare the methods of finished trials, and of views of any-target trials."""
    found = methods(views)
    varied = factors(found)
    of_settings = [_of_factor(factor) for factor in varied]
    places = Counter((aim.pictures, aim.controls) for aim in aims_of(found))
    of_controls = [
        f"{controls}: {text[0].lower()}{text[1:]}" if len(places) > 1 else text
        for (pictures, controls), _ in places.most_common()
        for text in _of_controls(
            found,
            [a for a in aims_of(found) if (a.pictures, a.controls) == (pictures, controls)],
            has_factors=bool(varied),
        )
    ]
    # What was varied comes first, but leaves room for what is nearest.
    first, rest = of_settings[:2], of_settings[2:]
    room = MOST_LINES - len(first)
    return Verdict(
        head=first + of_controls[:room],
        more=without_control(views) + rest + of_controls[room:],
        basis=[*_measured_on(views), *_seeds(found)],
        meanings=meanings.of(found),
        methods=found,
    )


def aims_of(found: Sequence[Method]) -> list[Aim]:
    """Return the targets of some methods, sorted."""
    every = {aim: None for method in found for aim in method.cells}
    return sorted(every, key=lambda aim: (aim.controls, aim.targets, aim.pictures))


def _of_controls(found: Sequence[Method], aims: Sequence[Aim], *, has_factors: bool) -> list[str]:
    """Say what is nearest to some targets by itself, and what is most natural when all are near."""
    at = set(aims)
    here = [method for method in found if at & method.cells.keys()]
    raw = [method for method in here if method.way == "raw"]
    exact = [method for method in here if method.way == "exact"]
    rivals = [method for method in exact if method.is_rival]
    said = [_of_raw(raw, rivals, aims, has_factors=has_factors)] if raw else []
    return said + ([_of_exact(exact, aims)] if len(exact) > 1 else [])


def _of_raw(
    raw: Sequence[Method], rivals: Sequence[Method], aims: Sequence[Aim], *, has_factors: bool
) -> str:
    best, where = _best(raw, aims, ERROR)
    others = [method for method in raw if method is not best and _shared(best, method, aims)]
    own = [best.cells[aim].error for aim in aims if aim in best.cells]
    near = f"{shown(averaged(own), DIGITS)}{_unit(aims)}"
    if not others:
        over = f", mean over {len(own)} targets" if len(own) > 1 else where
        text = f"Error of {best.name}{over}: {near}"
    elif len(raw) == 2 and has_factors:  # the sentence on what was varied has the other one
        text = f"Nearest{where}: {best.name}, error {near}"
    else:
        against = _against(best, others, aims, ERROR)
        text = f"Nearest{where}: {best.name}, error{_unit(aims)} {against}"
    there = [rival for rival in rivals if _shared(best, rival, aims)]
    if not there:
        return f"{text}."
    there = [r for r in there if set(r.settings) <= set(best.settings)] or there  # its own
    natural = _natural([best, *there], aims)
    if natural is None:
        return f"{text}; its cost in naturalness was not measured."
    return f"{text}; its raw {natural.name} {_against(best, there, aims, natural)}."


def _of_exact(exact: Sequence[Method], aims: Sequence[Aim]) -> str:
    furthest = max(m.cells[aim].error.mean for m in exact for aim in aims if aim in m.cells)
    text = f"After exact control all are within {furthest:.{DIGITS}f}{_unit(aims)} of the target; "
    natural = _natural(exact, aims)
    if natural is None:
        return f"{text}how natural they are was not measured."
    best, where = _best(exact, aims, natural)
    # A steered trial is held against the rival, and the rival against the best of these.
    others = [m for m in exact if m.is_rival != best.is_rival and _shared(best, m, aims)]
    others = others or [m for m in exact if m is not best and _shared(best, m, aims)]
    if not others:
        return f"{text}they have no target in common."
    against = _against(best, others, aims, natural)
    return f"{text}most natural{where}: {best.name}, {natural.name} {against}."


def _of_factor(factor: Factor) -> str:
    """Compare the two best values of a setting, all else equal."""
    error = Contrast([(a.error, b.error) for a, b in factor.cells], DIGITS)
    is_one = ", " not in factor.best and "=" in factor.best
    other = factor.other.partition("=")[2] if is_one else factor.other
    several = any(cell.error.spread is not None for pair in factor.cells for cell in pair)
    pairs_of = "pairs of means over seeds" if several else "pairs of trials"
    no = "no" if factor.kind else "No"
    text = f"{factor.best} is nearer to its target than {other}"
    if error.is_same:
        text = f"{no} difference between {factor.best} and {other}"
    elif error.is_within:
        text = f"{no} clear difference between {factor.best} and {other}"
    if factor.kind:
        text = f"{factor.kind.capitalize()}: {text}"
    text = f"{text}: error {error.text('', pairs_of)}"
    if different := factor.with_different_seeds:
        some = f"{different} of {len(factor.cells)} pairs " * (len(factor.cells) > 1)
        text = f"{text} ({some}with different seeds)"
    for measure in (KID, JS):
        pairs = [(measure.value(a), measure.value(b)) for a, b in factor.cells]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        if len(known) == len(pairs):
            return f"{text}; {measure.name} {Contrast(known, measure.digits).text('', 'pairs')}."
    return f"{text}."


def _natural(found: Sequence[Method], aims: Sequence[Aim]) -> Measure | None:
    """Return the measure of naturalness that is known of all methods at all of their targets."""
    cells = [method.cells[aim] for method in found for aim in aims if aim in method.cells]
    for measure in (KID, JS):
        if all(measure.value(cell) is not None for cell in cells):
            return measure
    return None


def _shared(one: Method, other: Method, aims: Sequence[Aim]) -> list[Aim]:
    return [aim for aim in aims if aim in one.cells and aim in other.cells]


def _value(method: Method, aim: Aim, measure: Measure) -> Measured:
    found = measure.value(method.cells[aim])
    assert found is not None, "the measure is known"
    return found


def _best(found: Sequence[Method], aims: Sequence[Aim], measure: Measure) -> tuple[Method, str]:
    """Return the method that is best at most targets, and at how many, in words.

    Targets of one method alone count only if there are no others.
    """
    several = [aim for aim in aims if sum(aim in method.cells for method in found) > 1] or [*aims]
    wins: Counter[int] = Counter()
    for aim in several:
        there = {
            i: round(_value(method, aim, measure).mean, measure.digits)
            for i, method in enumerate(found)
            if aim in method.cells
        }
        wins.update(i for i, value in there.items() if value == min(there.values()))

    def rank(i: int) -> tuple[int, float]:
        own = [aim for aim in several if aim in found[i].cells]
        return -wins[i], fmean(_value(found[i], aim, measure).mean for aim in own)

    best = min(wins, key=rank)
    if len(several) == 1:
        return found[best], f" at {several[0].label}"
    return found[best], f" at {wins[best]} of {len(several)} targets"


def _against(best: Method, others: Sequence[Method], aims: Sequence[Aim], measure: Measure) -> str:
    """Hold a method against the best of the others that share most targets with it, at these."""

    def contrast(other: Method) -> Contrast:
        shared = _shared(best, other, aims)
        pairs = [(_value(best, a, measure), _value(other, a, measure)) for a in shared]
        return Contrast(pairs, measure.digits)

    most = max(len(_shared(best, other, aims)) for other in others)
    comparable = [other for other in others if len(_shared(best, other, aims)) == most]
    other = min(comparable, key=lambda method: contrast(method).second.mean)
    return contrast(other).text(f" of {other.name}")


def _unit(aims: Sequence[Aim]) -> str:
    """Return the unit of errors; empty if the range of every target is 1."""
    ones = all(span(name) == 1 for aim in aims for name, _ in aim.targets)
    return "" if ones else " of the range"


def _measured_on(views: Sequence[TrialRun]) -> list[str]:
    counts = {
        (round(view.metrics["eval/images"]), round(view.metrics.get("eval/pictures", 0)))
        for view in views
        if "eval/images" in view.metrics
    }
    said = [
        f"Measured on {images} crops of {photographs} held-out photographs."
        if photographs not in (0, images)  # an earlier version did not count photographs
        else f"Measured on {images} held-out {'photographs' if photographs else 'images'}."
        for images, photographs in sorted(counts)
    ]
    if any("eval/kid" in v.metrics and v.metrics.get("eval/images", FEW) < FEW for v in views):
        said.append(f"KID of fewer than {FEW} varies much.")
    return said


def _seeds(found: Sequence[Method]) -> list[str]:
    seeds = {len(cell.error.of_seeds) for method in found for cell in method.cells.values()}
    if seeds == {1}:
        return ["One seed of each: no spread over seeds is known."]
    return [f"{min(seeds)} to {max(seeds)} seeds of each."] if len(seeds) > 1 else []
