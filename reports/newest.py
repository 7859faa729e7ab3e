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
    last point, of which the run may have a part; a store keeps what is sent twice once. If the run
    has another evaluation of that step, the training was repeated, with the same results.
    """
    points: list[dict[str, Any]] = trial["history"]
    is_done = run.phase is TrialPhase.FINISHED
    if is_done or run.step != trial["step"] or not is_final(trial):
        return [point for point in points if point["step"] > run.step]
    sent = client.get_metric_history(run.run_id, EVALUATION)
    times = {metric.timestamp for metric in sent if metric.step == run.step}
    return points[-1:] if times <= {points[-1]["time"]} else []


def is_of_last_step(found: Checkpoint | None, config: TrainConfig) -> bool:
    """Whether a checkpoint is of the end of a training as long as its config asks, or longer."""
    if found is None or not is_final(found.trial):
        return False
    return bool(found.trial["step"] >= config.total_steps(found.trial["images"]))
