"""Objective, search and scheduler of a sweep file."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gan.config import TrainConfig
from gan.control import CONTROLS, Control
from gan.strict import Frozen

Value = int | float | str | bool
INFEASIBLE = 1e9
"""Base of the ranks of trials above a bound, larger than any metric."""
OF_IMAGES = ("mae", "psnr", "ssim", "ciede2000", "accuracy_2", "accuracy_5", "hue_resultant")
OF_CONTROL = (
    *("error", "error_p90", "reachable", "reachable_error", "reachable_error_p90"),
    *("p10", "p90"),
)
DISTANCES = ("error", "error_p90", "reachable_error", "reachable_error_p90", "crosstalk")
NOT_SEARCHED = (
    *("preset", "steps", "epochs", "recolour", "log_every", "evaluate_every"),
    *("dataset", "dataset_path", "image_size", "eval_images", "eval_half", "eval_targets"),
)
"""Fields that do not change a trial, or make its metrics incomparable with those of others."""


class Objective(Frozen):
    """Metric by which trials are compared, with bounds on others."""

    metric: str
    """Name of an evaluation metric, without ``eval/``."""
    mode: Literal["min", "max"] = "min"
    subject_to: dict[str, float] = Field(default={})
    """Upper bounds of metrics; a trial above one ranks behind every trial within."""

    @model_validator(mode="after")
    def _bounds_are_positive(self) -> Self:
        for name, bound in self.subject_to.items():
            if bound <= 0:
                raise ValueError(f"subject_to.{name}: must be above 0, not {bound:g}")
        return self

    def rank(self, metrics: Mapping[str, float]) -> float | None:
        """Return the value that trials are compared by, better in the direction of ``mode``.

        This is the metric; for a trial above a bound ``INFEASIBLE`` plus the sum of its excesses,
        each relative to its bound (negated for max). TPE and ASHA use only the order of trials;
        median stopping uses means over evaluations, in which one above a bound outweighs all
        within. The result is None if a metric (``eval/NAME``) is absent or not finite.
        """
        wanted = [metrics.get(f"eval/{name}", math.nan) for name in (self.metric, *self.subject_to)]
        if not all(map(math.isfinite, wanted)):
            return None
        bounds = self.subject_to.values()
        excess = sum(max(0.0, x / b - 1) for x, b in zip(wanted[1:], bounds, strict=True))
        if not excess:
            return wanted[0]
        return INFEASIBLE + excess if self.mode == "min" else -INFEASIBLE - excess

    def ranks(self, history: Sequence[Mapping[str, Any]]) -> dict[int, float]:
        """Return the ranks of the evaluations in a checkpoint's history, by step."""
        found = {point["step"]: self.rank(point["metrics"]) for point in history}
        return {step: rank for step, rank in found.items() if rank is not None}


class Dimension(Frozen):
    """Values that a field may take in a search: a range, or a list of choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether the scale is logarithmic."""
    choices: tuple[Value, ...] | None = None

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if self.choices is not None:
            if not self.choices or self.model_fields_set != {"choices"}:
                raise ValueError("choices: must be a list of values, without low, high or log")
        elif self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        elif self.low >= self.high:
            raise ValueError(f"low: {self.low:g} is not below high, {self.high:g}")
        elif self.log and self.low <= 0:
            raise ValueError(f"low: must be above 0 for log, not {self.low:g}")
        return self

    def ends(self) -> tuple[Any, ...]:
        """Return the values whose validity implies that of all others."""
        return self.choices if self.choices is not None else (self.low, self.high)

    def __str__(self) -> str:
        if self.choices is not None:
            return "one of " + ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


class Search(Frozen):
    """Search, which chooses trials by the results of others."""

    trials: int = Field(ge=1)
    """Number of trials to choose in total, over all launches."""
    over: dict[str, Dimension]
    """Dimensions by dotted name."""

    @model_validator(mode="after")
    def _enough_room(self) -> Self:
        size = math.prod(_count(name, dimension) for name, dimension in self.over.items())
        if self.trials > size:
            raise ValueError(
                f"trials: {self.trials}, but there are no more than {size:g} to choose"
            )
        return self


def _count(name: str, dimension: Dimension) -> float:
    ends = dimension.ends()
    if dimension.choices is not None:
        return len(set(ends))
    return ends[1] - ends[0] + 1 if number_type(name) is int else math.inf


class Scheduler(Frozen):
    """Scheduler, which stops trials that fall behind."""

    name: Literal["asha", "median"]
    grace_steps: int = Field(ge=1)
    """Step before which no trial is stopped."""
    reduction_factor: int = Field(default=3, ge=2)
    """Factor between asha's rungs, from ``grace_steps`` on; one trial in so many passes each."""

    @model_validator(mode="after")
    def _factor_is_of_asha(self) -> Self:
        if self.name != "asha" and "reduction_factor" in self.model_fields_set:
            raise ValueError("reduction_factor: is asha's alone")
        return self


def number_type(name: str) -> type[int] | type[float] | None:
    """Return the type of a numeric field by its dotted name; None for other fields."""
    field = name.partition(".")[2]
    if field == "target":
        return float
    annotation = (Control if field else TrainConfig).model_fields[field or name].annotation
    for kind in (int, float):
        if annotation in (kind, kind | None):
            return kind
    return None


def metric_names(config: TrainConfig) -> list[str]:
    """List the metrics that every evaluation of a trial measures."""
    names = list(OF_IMAGES)
    for name in CONTROLS:
        fields: tuple[str, ...] = OF_CONTROL if name in config.controls else ("crosstalk",)
        if config.any_controls:  # a value averaged over targets means nothing
            fields = tuple(field for field in fields if field in DISTANCES)
        else:
            names.append(name)
        names += [f"{name}_{field}" for field in fields]
    return names
