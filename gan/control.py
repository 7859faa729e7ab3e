"""Controls: names and ranges of the colour statistics, and the settings that steer them."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from gan.strict import Frozen


class Range(NamedTuple):
    """Bounds of a control's target in the statistic's own unit: the values of sRGB colours."""

    low: float
    high: float
    symbol: str
    """Index of sigma and lambda, as in the original project's equations."""
    meaning: str
    """What the statistic measures, for people."""
    circular: bool = False
    """Whether 0 and 1 are the same value."""


CONTROLS = {
    "saturation": Range(0, 1, "S", "strength of the colours: 0 grey, 1 pure"),
    "hue": Range(0, 1, "H", "0 red, 0.33 green, 0.67 blue, 1 red again", circular=True),
    "red": Range(0, 1, "R", "mean of the red channel"),
    "green": Range(0, 1, "G", "mean of the green channel"),
    "blue": Range(0, 1, "B", "mean of the blue channel"),
    "chroma": Range(0, 134, "C", "distance from grey, C* of CIELAB"),
    "a": Range(-86, 98, "a", "green (below 0) to red, a* of CIELAB"),
    "b": Range(-108, 94, "b", "blue (below 0) to yellow, b* of CIELAB"),
    "warmth": Range(-1.7, 2.4, "W", "cool to warm; grey is -0.5"),
    "colourfulness": Range(0, 280, "M", "strength and variety, by Hasler and Süsstrunk"),
}
"""Controls by name; each is a module of ``gan.colour.statistics`` and a line here."""
TARGET_RANGES = {name: (range_.low, range_.high) for name, range_ in CONTROLS.items()}
CIRCULAR = {name for name, range_ in CONTROLS.items() if range_.circular}


def _known(name: str) -> str:
    if name not in CONTROLS:
        raise ValueError(f"unknown control {name!r}; valid: {', '.join(CONTROLS)}")
    return name


ControlName = Annotated[str, AfterValidator(_known)]


def _listed(targets: Any) -> Any:
    if isinstance(targets, list | tuple) and all(isinstance(each, dict) for each in targets):
        return targets
    raise ValueError("must list the targets by control: [{saturation: 0.1}, {saturation: 0.7}]")


TargetList = Annotated[tuple[dict[ControlName, float], ...], BeforeValidator(_listed)]
"""Targets of one or several controls, at each of which something is measured."""

PENALTY_WEIGHT = 100.0
"""Weight (lambda) of a control that sets none."""


_RANGE = {"min", "max", "hold_out"}


class Control(Frozen):
    """A colour statistic to steer, with the penalty ``weight * |value - target|``.

    The difference is a share of the width of the statistic's range (``TARGET_RANGES``), so that a
    weight means about the same for every statistic.
    """

    target: float | Literal["any"]
    """Target (sigma) for an image, in the statistic's unit and range (``TARGET_RANGES``). ``any``
    makes it an input of the generator: one training serves all targets."""
    weight: float = Field(default=PENALTY_WEIGHT, ge=0)
    """Weight (lambda) of the penalty; by default the config's ``penalty_weight``. 1 (the original
    project's) has almost no effect against the L1 weight of 100."""
    min: float | None = None
    """Least target drawn in training, if it is ``any``; by default the lower bound of its range."""
    max: float | None = None
    """Greatest target drawn in training, if it is ``any``; by default the range's upper bound."""
    hold_out: tuple[tuple[float, float], ...] = ()
    """Intervals of targets that are evaluated but never drawn in training, to test whether the
    generator interpolates between the targets it has seen."""

    @model_validator(mode="before")
    @classmethod
    def _range_is_any(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and "target" not in settings and settings.keys() & _RANGE:
            return {"target": "any", **settings}
        return settings

    @field_validator("target", mode="before")
    @classmethod
    def _number_or_any(cls, target: Any) -> Any:
        if isinstance(target, str) and target != "any":
            raise ValueError("a target must be a number, or 'any'")
        return target

    @model_validator(mode="after")
    def _only_of_any(self) -> Self:
        if not self.is_any and (self.min, self.max, self.hold_out) != (None, None, ()):
            raise ValueError("min, max and hold_out need target: any")
        return self

    @property
    def is_any(self) -> bool:
        """Whether the target is an input of the generator."""
        return self.target == "any"

    @property
    def wanted(self) -> float:
        """Target that is a number, not ``any``."""
        assert not isinstance(self.target, str), "the target is an input"
        return self.target

    def require_valid(self, name: ControlName) -> None:
        """Refuse targets outside a statistic's range, and intervals that leave nothing to draw.

        Raises:
            ValueError: there is such a target or interval.
        """
        if not self.is_any:
            require_inside(f"{name}.target", self.wanted, TARGET_RANGES[name])
            return
        low, high = self.bounds(name)
        require_inside(f"{name}.min", low, TARGET_RANGES[name])
        require_inside(f"{name}.max", high, TARGET_RANGES[name])
        if low >= high:
            raise ValueError(f"{name}.min {low:g} is not below {name}.max {high:g}")
        last = low
        for start, end in sorted(self.hold_out):
            if not last <= start < end <= high:
                raise ValueError(
                    f"{name}.hold_out [{start:g}, {end:g}] is no interval of [{low:g}, "
                    f"{high:g}] beside the others"
                )
            last = end
        if not self.drawn(name):
            raise ValueError(f"{name}.hold_out leaves nothing to draw")

    def normalised(self, name: ControlName) -> Self:
        """Return the same control in the canonical form from which a trial's key is computed.

        Numbers have 12 digits: 0.1 + 0.2 is 0.3. A hue of 1 is a hue of 0.
        """
        low, high = TARGET_RANGES[name]
        least, most = (None if end is None else rounded(end) for end in (self.min, self.max))
        target = self.target if isinstance(self.target, str) else rounded(self.target)
        return self.model_copy(
            update={
                "target": float(low) if name in CIRCULAR and target == high else target,
                "weight": rounded(self.weight),
                "min": None if least == low else least,
                "max": None if most == high else most,
                "hold_out": tuple(sorted((rounded(a), rounded(b)) for a, b in self.hold_out)),
            }
        )

    def bounds(self, name: ControlName) -> tuple[float, float]:
        """Return the least and the greatest target drawn in training."""
        low, high = TARGET_RANGES[name]
        return low if self.min is None else self.min, high if self.max is None else self.max

    def drawn(self, name: ControlName) -> list[tuple[float, float]]:
        """Return the intervals of targets drawn in training: all but those held out."""
        low, high = self.bounds(name)
        edges = [low, *(edge for pair in sorted(self.hold_out) for edge in pair), high]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(start, end) for start, end in pairs if start < end]


def rounded(value: float) -> float:
    """Round to 12 significant digits, which no control is exact to; -0 becomes 0."""
    return float(f"{value:.12g}") + 0.0


def require_inside(what: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a value outside its bounds.

    Raises:
        ValueError: the value is outside; the message names it as ``what``.
    """
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{what} {value:g} is not in [{low:g}, {high:g}]")


def require_targets_of(
    what: str, given: Sequence[Mapping[ControlName, float]], controls: Collection[ControlName]
) -> None:
    """Refuse targets unless each entry names all controls and no others.

    Raises:
        ValueError: an entry names other controls, leaves a range, or is given twice.
    """
    for targets in given:
        if targets.keys() != set(controls):
            raise ValueError(f"{what}: each must name {' and '.join(controls)}, and no others")
        for name, value in targets.items():
            require_inside(f"{what}: {name}", value, TARGET_RANGES[name])
    if len({frozenset(targets.items()) for targets in given}) < len(given):
        raise ValueError(f"{what}: the same targets are given twice")


def as_given(control: Any) -> Any:
    """Return the explicitly set fields of a control; return anything else unchanged."""
    return control.model_dump(exclude_unset=True) if isinstance(control, Control) else control


def spread_over(
    controls: Mapping[ControlName, Control], count: int
) -> list[dict[ControlName, float]]:
    """Choose about ``count`` evenly spread combinations of several controls' targets.

    The middle of each interval held out is included. One or two controls give every combination
    of their values; more controls give ``count`` combinations, from the first to the last.
    """
    each = max(2, round(count ** (1 / len(controls))))
    values = [spread_targets(name, control, each) for name, control in controls.items()]
    every = [dict(zip(controls, chosen, strict=True)) for chosen in product(*values)]
    if len(controls) <= 2 or len(every) <= count:
        return every
    return [every[round(i * (len(every) - 1) / (count - 1))] for i in range(count)]


def spread_targets(name: ControlName, control: Control, count: int) -> list[float]:
    """Spread ``count`` values over a control's range; add the middle of each interval held out."""
    low, high = control.bounds(name)
    around = name in CIRCULAR and (low, high) == TARGET_RANGES[name]  # 0 and 1 are the same
    step = (high - low) / (count if around else max(1, count - 1))
    values = [low + step * i for i in range(count)]
    held = [(start + end) / 2 for start, end in control.hold_out]
    return sorted({round(value, 6) for value in (*values, *held)})
