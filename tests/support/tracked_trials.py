"""What tests of the tracking store share."""

import json
from pathlib import Path
from typing import Any

import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from gan import checkpoint
from gan.config import TrainConfig
from gan.control import Control
from gan.data.datasets import Dataset
from gan.training.trainer import Trainer
from reports.phase import TrialPhase
from reports.tracking import RunUpdate, SweepTracker
from tests.support.trackers import tracker_of

CONFIG = TrainConfig(
    base_channels=4,
    batch_size=8,
    steps=6,
    eval_images=12,
    log_every=2,
    evaluate_every=3,
    controls={"saturation": Control(target=0.5, weight=20)},
)
LONGER = CONFIG.model_copy(update={"steps": 12})
Points = dict[str, list[tuple[int, float, int]]]


def has_history(trial: Path, history: list[dict[str, Any]]) -> None:
    """Give a trial a checkpoint with other points, the last of which is its final evaluation."""
    newest = checkpoint.newest(trial)
    assert newest is not None
    step = history[-1]["step"]
    content = newest.trial | {"history": history, "step": step, "total_steps": step}
    checkpoint.write(trial, step, {**newest.files, checkpoint.TRIAL: json.dumps(content).encode()})


def again(tracker: SweepTracker, sweep: str, runs: Path) -> SweepTracker:
    """A tracker that knows of a sweep only what the store does."""
    return tracker_of(tracker.client.tracking_uri, sweep, runs)


def sync(
    tracker: SweepTracker,
    directory: Path,
    phase: TrialPhase = TrialPhase.FINISHED,
    config: TrainConfig = CONFIG,
    **changes: Any,
) -> None:
    values = {"key": CONFIG.key(), "name": "saturation=0.5", "index": 0, **changes}
    tracker.sync(RunUpdate(config=config, directory=directory, phase=phase, **values))


def store_of(runs: Path) -> MlflowClient:
    """The store that a launch keeps where no other is named."""
    return MlflowClient(f"sqlite:///{runs}/mlflow.db")


def runs_of(client: MlflowClient, sweep: str) -> list[Run]:
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def run_of(client: MlflowClient, sweep: str, key: str) -> Run:
    """The one run of a trial."""
    found = [run for run in runs_of(client, sweep) if run.data.tags["colorsweep.key"] == key]
    assert len(found) == 1, f"{key} has {len(found)} runs"
    return found[0]


def only_run(client: MlflowClient, sweep: str) -> Run:
    (run,) = runs_of(client, sweep)
    return run


def logged(client: MlflowClient, run: Run) -> Points:
    """Every point that the store has, by metric, as (step, value, time)."""
    return {
        name: sorted((m.step, m.value, m.timestamp) for m in history)
        for name in run.data.metrics
        if (history := client.get_metric_history(run.info.run_id, name))
    }


def made(directory: Path) -> Points:
    """Every point that the trial's newest checkpoint has, likewise."""
    newest = sorted((directory / "checkpoints").iterdir())[-1]
    points: Points = {}
    for point in json.loads((newest / "trial.json").read_text())["history"]:
        for name, value in point["metrics"].items():
            points.setdefault(name, []).append((point["step"], value, point["time"]))
    return points


def artifacts(client: MlflowClient, run: Run) -> dict[str, bytes]:
    """Every file of a run."""
    root = Path(client.download_artifacts(run.info.run_id, ""))
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def train_on(directory: Path, photos: Dataset, config: TrainConfig = LONGER) -> None:
    assert Trainer(config, photos, torch.device("cpu")).fit(directory)
