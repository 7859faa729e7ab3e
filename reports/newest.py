"""What a trial's newest checkpoint has that its run in the tracking store lacks."""

from collections.abc import Mapping
from typing import Any

from gan import checkpoint
from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from reports.runs import TrialRun


def unsent_points(run: TrialRun, trial: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the points of a trial.json's history that the run lacks.

    A training that ends at an earlier step than it was to has its final evaluation, the last point,
    at a step that the run may have.
    """
    points: list[dict[str, Any]] = trial["history"]
    newer = [point for point in points if point["step"] > run.step]
    ends_here = run.step == trial["step"] < run.total_steps and checkpoint.is_final(trial)
    return points[-1:] if ends_here else newer


def is_of_last_step(found: Checkpoint | None, config: TrainConfig) -> bool:
    """Whether a checkpoint is of the end of a training as long as its config asks, or longer."""
    if found is None or not checkpoint.is_final(found.trial):
        return False
    return bool(found.trial["step"] >= config.total_steps(found.trial["images"]))
