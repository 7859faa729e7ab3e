"""Progress of a training, as shown and in its trial.json; a driver reads it without torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EVALUATION = "eval/mae"
"""Metric that every evaluation has."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training."""

    step: int
    total_steps: int
    epoch: float
    images_per_second: float
    """Rate of the steps of about the last second, without evaluations."""
    metrics: dict[str, float]
    """Newest value of every metric in the history."""
    durable_step: int
    """Step of the newest checkpoint, from which the trial resumes if killed now."""
    seconds: float
    """Time that all processes spent on the trial's steps and evaluations, excluding lost work."""
    checkpoint_seconds: float
    """Time that this process waited for checkpoints, not part of ``seconds``."""
    evaluated_step: int = 0
    """Step of the newest evaluation, 0 before the first."""
    measuring: str = ""
    """Target being measured in the final evaluation, as in "3 of 9"; empty otherwise."""
    evaluation_seconds: float = 0.0
    """Time that the final evaluation has taken so far, not yet part of ``seconds``."""


def newest_metrics(history: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the newest value of every metric in a history, and of the newest evaluation's alone.

    The final evaluation measures more than others; after it, a longer training has less.
    """
    points = [*history]
    newest = evaluated_step(points)
    metrics: dict[str, float] = {}
    for point in points:
        found: dict[str, float] = point["metrics"]
        is_newest = point["step"] == newest
        metrics |= {n: v for n, v in found.items() if is_newest or not n.startswith("eval/")}
    return metrics


def evaluated_step(history: Iterable[Mapping[str, Any]]) -> int:
    """Return the step of the newest evaluation in a history; 0 before the first."""
    return max((point["step"] for point in history if EVALUATION in point["metrics"]), default=0)


def is_final(trial: Mapping[str, Any]) -> bool:
    """Whether the checkpoint with this trial.json ended its training, with the final evaluation."""
    step: int = trial["step"]
    return step >= trial["total_steps"] and evaluated_step(trial["history"]) == step
