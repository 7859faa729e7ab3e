"""What a sweep file says of its search and its scheduler, and how they compare trials."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gan.config import TrainConfig
from gan.control import Control, ControlName

Value = int | float | str | bool
BEHIND = 1e9
"""Larger than any metric: where trials begin that are above a bound."""
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
"""Fields that make no other trial, or one whose metrics cannot be compared with the others'."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Objective(_Section):
    """What makes a trial better than another."""

    metric: str
    """Of the evaluation."""
    mode: Literal["min", "max"] = "min"
    subject_to: dict[str, float] = {}
    """Upper bounds of metrics: a trial above one is behind every trial within."""

    @model_validator(mode="after")
    def _bounds_are_positive(self) -> Self:
        for name, bound in self.subject_to.items():
            if bound <= 0:
                raise ValueError(f"subject_to.{name}: must be above 0, not {bound:g}")
        return self

    def rank(self, metrics: Mapping[str, float]) -> float | None:
        """Return what to compare trials by, better as ``mode`` says.

        A trial above a bound has ``BEHIND`` and the sum of its excesses, each in parts of its
        bound, instead of its metric. TPE and ASHA look at the order of trials alone; median
        stopping at means over evaluations, where one above a bound outweighs all within.

        Args:
            metrics: of an evaluation, by ``eval/NAME``.

        Returns:
            None where a metric is absent or not finite.
        """
        wanted = [metrics.get(f"eval/{name}", math.nan) for name in (self.metric, *self.subject_to)]
        if not all(map(math.isfinite, wanted)):
            return None
        bounds = self.subject_to.values()
        excess = sum(max(0.0, x / b - 1) for x, b in zip(wanted[1:], bounds, strict=True))
        if not excess:
            return wanted[0]
        return BEHIND + excess if self.mode == "min" else -BEHIND - excess

    def ranks(self, history: Sequence[Mapping[str, Any]]) -> dict[int, float]:
        """Return the ranks of a trial's evaluations by step.

        Args:
            history: of a checkpoint.
        """
        found = {point["step"]: self.rank(point["metrics"]) for point in history}
        return {step: rank for step, rank in found.items() if rank is not None}


class Dimension(_Section):
    """What one field may be: a range, or a choice of values."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Whether factors count, not differences."""
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
        """Return the values that have to be valid for all others to be so."""
        return self.choices if self.choices is not None else (self.low, self.high)

    def __str__(self) -> str:
        """Write it as people do."""
        if self.choices is not None:
            return "one of " + ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


class Search(_Section):
    """Trials that are chosen by the results of others."""

    trials: int = Field(ge=1)
    """How many in all, whatever the number of launches."""
    over: dict[str, Dimension]
    """By dotted name."""

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


class Scheduler(_Section):
    """What stops trials that are behind others."""

    name: Literal["asha", "median"]
    grace_steps: int = Field(ge=1)
    """No trial is stopped before."""
    reduction_factor: int = Field(default=3, ge=2)
    """Of asha: one in so many goes on past ``grace_steps``, and again at each multiple by it."""

    @model_validator(mode="after")
    def _factor_is_of_asha(self) -> Self:
        if self.name != "asha" and "reduction_factor" in self.model_fields_set:
            raise ValueError("reduction_factor: is asha's alone")
        return self


def number_type(name: str) -> type[int] | type[float] | None:
    """Return which numbers a field takes, by its dotted name; None where it takes others."""
    field = name.partition(".")[2]
    if field == "target":
        return float
    annotation = (Control if field else TrainConfig).model_fields[field or name].annotation
    for kind in (int, float):
        if annotation in (kind, kind | None):
            return kind
    return None


def metric_names(config: TrainConfig) -> list[str]:
    """List what every evaluation of a trial measures."""
    names = list(OF_IMAGES)
    for name in get_args(ControlName):
        fields: tuple[str, ...] = OF_CONTROL if name in config.controls else ("crosstalk",)
        if config.any_controls:  # of means over its targets a value says nothing
            fields = tuple(field for field in fields if field in DISTANCES)
        else:
            names.append(name)
        names += [f"{name}_{field}" for field in fields]
    return names
