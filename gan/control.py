"""A colour statistic to steer: its name, its range, and how a trial is told to steer it."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ControlName = Literal[
    "saturation", "hue", "red", "green", "blue", "chroma", "a", "b", "warmth", "colourfulness"
]

TARGETS: dict[ControlName, tuple[float, float]] = {
    "saturation": (0, 1),
    "hue": (0, 1),
    "red": (0, 1),
    "green": (0, 1),
    "blue": (0, 1),
    "chroma": (0, 134),
    "a": (-86, 98),
    "b": (-108, 94),
    "warmth": (-1.7, 2.4),
    "colourfulness": (0, 280),
}
"""Bounds of each control's target: what sRGB colours can have, in the statistic's own unit."""

PENALTY_WEIGHT = 100.0
"""lambda of a control that names none."""


class Frozen(BaseModel):
    """A model that nothing changes, and that takes no field it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


_RANGE = {"min", "max", "hold_out"}


class Control(Frozen):
    """A colour statistic to steer, and lambda of its penalty ``weight * |value - target|``.

    The difference is counted in parts of the statistic's range (``TARGETS``), so that a weight
    means about the same for each.
    """

    target: float | Literal["any"]
    """sigma: the wanted value for an image, in the statistic's unit; its bounds: ``TARGETS``.
    ``any`` makes it an input of the generator: one training serves all targets."""
    weight: float = Field(default=PENALTY_WEIGHT, ge=0)
    """lambda of the penalty; the config's ``penalty_weight`` unless given. 1 (the original's) is as
    good as no control against the L1's 100."""
    min: float | None = None
    """Least target that is drawn in training, where it is ``any``; the range's unless given."""
    max: float | None = None
    """Greatest target that is drawn in training; likewise."""
    hold_out: tuple[tuple[float, float], ...] = ()
    """Intervals of targets that are never drawn in training, but measured: does the generator
    find its way between those it has seen?"""

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
            raise ValueError("a target is a number, or 'any'")
        return target

    @model_validator(mode="after")
    def _only_of_any(self) -> Self:
        if not self.is_any and (self.min, self.max, self.hold_out) != (None, None, ()):
            raise ValueError("min, max and hold_out go with target: any")
        return self

    @property
    def is_any(self) -> bool:
        """Whether the target is an input of the generator."""
        return self.target == "any"

    @property
    def wanted(self) -> float:
        """The target, where it is a number."""
        assert not isinstance(self.target, str), "the target is an input"
        return self.target

    def normalised(self, name: ControlName) -> Self:
        """Return the same control, written in the one way that a key is made of."""
        low, high = TARGETS[name]
        return self.model_copy(
            update={
                "min": None if self.min == low else self.min,
                "max": None if self.max == high else self.max,
                "hold_out": tuple(sorted(self.hold_out)),
            }
        )

    def bounds(self, name: ControlName) -> tuple[float, float]:
        """Return the least and the greatest target that is drawn in training."""
        low, high = TARGETS[name]
        return low if self.min is None else self.min, high if self.max is None else self.max

    def drawn(self, name: ControlName) -> list[tuple[float, float]]:
        """Return the intervals of targets that are drawn in training: all but those held out."""
        low, high = self.bounds(name)
        edges = [low, *(edge for pair in sorted(self.hold_out) for edge in pair), high]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(start, end) for start, end in pairs if start < end]


def require_inside(what: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a value outside its bounds.

    Raises:
        ValueError: it is; names what it is.
    """
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{what} {value:g} is not in [{low:g}, {high:g}]")


def require_targets_of(
    what: str, given: Sequence[Mapping[ControlName, float]], controls: Collection[ControlName]
) -> None:
    """Refuse targets that do not each name all controls, and no others.

    Raises:
        ValueError: they do not, one is outside its range, or one is given twice.
    """
    for targets in given:
        if targets.keys() != set(controls):
            raise ValueError(f"{what}: each names {' and '.join(controls)}, no others")
        for name, value in targets.items():
            require_inside(f"{what}: {name}", value, TARGETS[name])
    if len({frozenset(targets.items()) for targets in given}) < len(given):
        raise ValueError(f"{what}: the same targets are given twice")


def as_given(control: Any) -> Any:
    """Return what was set of a control, where it is one; anything else as it is."""
    return control.model_dump(exclude_unset=True) if isinstance(control, Control) else control


def spread_over(
    controls: Mapping[ControlName, Control], count: int
) -> list[dict[ControlName, float]]:
    """Choose about so many targets of some controls together, evenly, and those held out.

    Of one or two controls every combination; of more so many combinations, from end to end.
    """
    each = max(2, round(count ** (1 / len(controls))))
    values = [spread_targets(name, control, each) for name, control in controls.items()]
    every = [dict(zip(controls, chosen, strict=True)) for chosen in product(*values)]
    if len(controls) <= 2 or len(every) <= count:
        return every
    return [every[round(i * (len(every) - 1) / (count - 1))] for i in range(count)]


def spread_targets(name: ControlName, control: Control, count: int) -> list[float]:
    """Values over what a control may be, evenly, and the middle of each interval held out."""
    low, high = control.bounds(name)
    around = name == "hue" and (low, high) == TARGETS[name]  # 0 and 1 are the same
    step = (high - low) / (count if around else max(1, count - 1))
    values = [low + step * i for i in range(count)]
    held = [(start + end) / 2 for start, end in control.hold_out]
    return sorted({round(value, 6) for value in (*values, *held)})
