"""What a trial's newest checkpoint has that its run in the tracking store lacks."""

from collections.abc import Mapping
from typing import Any

from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from gan.training.progress import EVALUATION, is_final
from reports.experiments import Client
from reports.phase import TrialPhase
from reports.runs import TrialRun


def unsent_points(client: Client, run: TrialRun, trial: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the points of a trial.json's history that the run lacks.

    A training that ends where it stopped, earlier than it was to, has its final evaluation in the
    last point, of which the run may have a part; a store keeps what is sent twice once. One that
    was stopped in its final evaluation is evaluated there later. If the run has another evaluation
    of that step, the training was repeated, with the same results.
    """
    points: list[dict[str, Any]] = trial["history"]
    later = [point for point in points if point["step"] > run.step]
    there = [p for p in points if p["step"] == run.step and EVALUATION in p["metrics"]]
    if run.phase is TrialPhase.FINISHED or not there:
        return later
    ended = run.step == trial["step"] and is_final(trial)
    if not ended and run.metrics.get(EVALUATION) == there[-1]["metrics"][EVALUATION]:
        return later
    sent = client.get_metric_history(run.run_id, EVALUATION)
    times = {metric.timestamp for metric in sent if metric.step == run.step}
    return (there if times <= {there[-1]["time"]} else []) + later


def is_of_last_step(found: Checkpoint | None, config: TrainConfig) -> bool:
    """Whether a checkpoint is of the end of a training as long as its config asks, or longer."""
    if found is None or not is_final(found.trial):
        return False
    return bool(found.trial["step"] >= config.total_steps(found.trial["images"]))
