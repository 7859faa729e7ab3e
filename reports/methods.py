"""Methods of meeting targets, and their measurements at each target over seeds. Pure functions."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Literal

from gan.config import TrainConfig
from gan.control import ControlName
from reports.compare import settings_of
from reports.folds import recipe, unseeded
from reports.phase import TrialPhase
from reports.rows import Way, metric, shown_setting, span, ways_of
from reports.runs import TrialRun
from reports.views import in_words, numbers

RIVAL = "the recoloured baseline"
MOST_SETTINGS = 3
"""Maximum number of settings in a name; trials that differ in more are named by their sweep."""
Kind = Literal["any-target", "one generator a target", "the recoloured baseline"]
Basis = Literal["seeds", "photographs"]
"""Source of the spread that a difference is compared with."""
Settings = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Measured:
    """A number measured once for each seed."""

    of_seeds: dict[int, float]
    low: float | None = None
    """Lower end of its 95 % interval over photographs; the lowest of several seeds."""
    high: float | None = None
    deviation: float | None = None
    """Of an average of several numbers: the root mean square of their deviations over seeds."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.of_seeds.values())

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over the seeds; None for one seed."""
        if self.deviation is not None:
            return self.deviation
        return stdev(self.of_seeds.values()) if len(self.of_seeds) > 1 else None

    def basis(self, other: "Measured") -> Basis | None:
        """Return the spread by which two numbers are compared: that over seeds if known."""
        if self.spread is not None and other.spread is not None:
            return "seeds"
        ends = (self.low, self.high, other.low, other.high)
        return None if None in ends else "photographs"

    def is_beyond(self, other: "Measured") -> bool:
        """Whether two numbers differ by more than their spread.

        Over several seeds: by more than the sum of their standard deviations. With one seed: by
        more than their intervals over photographs, which must not overlap. If neither is known,
        False.
        """
        if self.spread is not None and other.spread is not None:
            return abs(self.mean - other.mean) > self.spread + other.spread
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return False
        return self.low > other.high or other.low > self.high


@dataclass(frozen=True)
class Cell:
    """Measurements of a method at one target."""

    error: Measured
    """Mean over the controls of |achieved - target|, as a share of their ranges."""
    kid: Measured | None
    js: Measured | None


@dataclass(frozen=True)
class Aim:
    """Targets to meet on a set of held-out pictures."""

    pictures: str
    targets: tuple[tuple[ControlName, float], ...]

    @property
    def controls(self) -> str:
        """Names of the controls, such as "hue + saturation"."""
        return " + ".join(name for name, _ in self.targets)

    @property
    def label(self) -> str:
        """Targets in words."""
        return in_words(dict(self.targets))


@dataclass(frozen=True)
class Method:
    """Trials, or views, that differ only in their targets and seed, with one kind of outputs."""

    kind: Kind
    way: Way
    settings: Settings
    """All other settings, by a readable name."""
    sweep: str
    recipe: str
    """What its trials' name says besides targets and seed."""
    name: str = ""
    """Name that no other method has, apart from the way."""
    cells: dict[Aim, Cell] = field(default_factory=dict, compare=False)

    @property
    def is_rival(self) -> bool:
        """Whether it is a recoloured baseline."""
        return self.kind == RIVAL


def methods(views: Iterable[TrialRun]) -> list[Method]:
    """Collect the methods of finished trials, or of views of any-target trials, with targets."""
    found: dict[Hashable, tuple[Method, dict[Aim, dict[int, TrialRun]]]] = {}
    for view in views:
        if view.phase is not TrialPhase.FINISHED or not view.config.controls:
            continue
        for way in ways_of(view):
            if _error(view, way) is None:
                continue
            method = _method(view, way)
            _, aims = found.setdefault((method.kind, way, method.settings), (method, {}))
            aim = Aim(view.pictures_key, tuple(numbers(view).items()))
            # The first of equal trials: of two sweeps, or recoloured to a number and to any.
            aims.setdefault(aim, {}).setdefault(view.config.seed, view)
    for method, aims in found.values():
        method.cells.update({aim: _cell(seeds, method.way) for aim, seeds in aims.items()})
    return _named([method for method, _ in found.values()])


def _method(view: TrialRun, way: Way) -> Method:
    settings = {k: v for k, v in settings_of(view).items() if not k.startswith("wanted ")}
    kind: Kind = (
        "any-target" if view.config.any_controls or view.whole else "one generator a target"
    )
    if view.config.recolour:
        kind = "the recoloured baseline"
        settings = {k: v for k, v in settings.items() if k in TrainConfig.model_fields}
    name = recipe(unseeded(view.origin.name))
    return Method(kind, way, tuple(sorted(settings.items())), view.sweep, name)


def _error(view: TrialRun, way: Way) -> float | None:
    found = [metric(view, f"{name}_error", way) for name in view.config.controls]
    if None in found:
        return None
    errors = zip(view.config.controls, found, strict=True)
    return fmean((error or 0.0) / span(name) for name, error in errors)


def _cell(seeds: dict[int, TrialRun], way: Way) -> Cell:
    def measured(name: str, scale: float = 1.0) -> Measured | None:
        values = {seed: metric(view, name, way) for seed, view in seeds.items()}
        known = {seed: value / scale for seed, value in values.items() if value is not None}
        if len(known) < len(seeds):
            return None
        lows, highs = (
            [
                end / scale
                for v in seeds.values()
                if (end := metric(v, f"{name}_{of}", way)) is not None
            ]
            for of in ("low", "high")
        )
        return Measured(known, *((min(lows), max(highs)) if len(lows) == len(seeds) else ()))

    controls = [*next(iter(seeds.values())).config.controls]
    error = Measured({seed: _error(view, way) or 0.0 for seed, view in seeds.items()})
    if len(controls) == 1:  # intervals are of one control
        error = measured(f"{controls[0]}_error", span(controls[0])) or error
    return Cell(error, measured("kid"), measured("js_divergence"))


def _named(found: Sequence[Method]) -> list[Method]:
    """Give each method the shortest name that no other one of its kind and way has."""
    named = []
    for method in found:
        same = [
            m
            for m in found
            if (m.kind, m.way, m.recipe) == (method.kind, method.way, method.recipe)
        ]
        apart = ", ".join(part for part in (method.recipe, told_apart(method, same)) if part)
        steered = {m.kind for m in found if not m.is_rival}
        alone = len(steered) == 1 and not method.is_rival and apart
        name = apart if alone else method.kind + (f" ({apart})" if apart else "")
        named.append(
            Method(
                method.kind,
                method.way,
                method.settings,
                method.sweep,
                method.recipe,
                name,
                method.cells,
            )
        )
    return named


def told_apart(method: Method, others: Sequence[Method]) -> str:
    """Name the settings in which a method differs from others: "base_channels=12"; or its sweep."""
    varied = [name for name, values in _varied(others).items() if len(values) > 1]
    if len(varied) > MOST_SETTINGS and len({m.sweep for m in others}) == len(others):
        return method.sweep
    own = dict(method.settings)
    return ", ".join(
        f"{_short(name, own)}={shown_setting(own[name])}" for name in varied if name in own
    )


def _short(name: str, settings: dict[str, object]) -> str:
    """Return a setting's name as in a sweep file; with its control if there are several."""
    several = sum(key.startswith("λ of ") for key in settings) > 1
    return name.replace("λ of ", "weight of ") if several else re.sub("^λ of .*", "weight", name)


def _varied(found: Sequence[Method]) -> dict[str, Counter[object]]:
    values: dict[str, Counter[object]] = {}
    for method in found:
        for name, value in method.settings:
            values.setdefault(name, Counter())[value] += 1
    return values
