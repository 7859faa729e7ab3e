"""Trials run in this process, as a worker runs them."""

import time
from collections.abc import Callable
from pathlib import Path

from gan.config import TrainConfig
from gan.training.progress import Progress
from orchestrator.worker.run import TrialTask, run
from orchestrator.worker.stop_signal import StopSignal


def task_of(config: TrainConfig, directory: Path, **fields: str) -> TrialTask:
    values = config.model_dump(mode="json")
    return TrialTask(config.key(), values, str(directory), "", on_gpu=False, threads=1, **fields)


def run_here(
    task: TrialTask,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: StopSignal | None = None,
) -> tuple[str, str]:
    """Train a trial; returns how it ended, and why."""
    ended = run(
        task,
        time.time(),
        lambda event: on_progress(event.progress) if event.progress else None,
        stop or StopSignal(),
    )
    return ended.phase, ended.reason
