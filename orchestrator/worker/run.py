"""One trial in this process: alone with its directory, and with a diary of its time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.store.attempts import Diary, Ending
from orchestrator.store.lock import claim
from orchestrator.store.trial_state import baseline_directory, keep_traceback, make_writable

if TYPE_CHECKING:
    import torch

    from gan.training.trainer import Progress
    from orchestrator.worker.upload import Uploads

PATIENCE = 60.0
"""Seconds to wait for a process that trained the trial before, and whose launch is dead."""


def train_trial(
    config: TrainConfig,
    directory: Path,
    dataset_root: Path,
    device: "torch.device",
    *,
    started: float,
    on_progress: Callable[["Progress"], None],
    should_stop: Callable[[], bool],
    uploads: "Uploads | None" = None,
) -> tuple[Ending, str]:
    """Train what the trial lacks, from its newest sound checkpoint.

    Args:
        config: the trial's.
        directory: the trial's, or a scratch directory of it.
        dataset_root: where a relative ``dataset_path`` starts from.
        device: where to train.
        started: when this worker began with the trial, in seconds since the epoch.
        on_progress: called about once a second.
        should_stop: asked about once a second.
        uploads: keeps the directory's content in an object store.

    Returns:
        How it ended, and why it failed.
    """
    train = partial(_train, config, directory, dataset_root, device, started)
    try:
        make_writable(directory)
        with claim(directory, "this trial is trained", patience=PATIENCE):
            if uploads is None:
                return train(baseline_directory(directory, config), on_progress, should_stop)
            with uploads:
                if uploads.asked is not None:
                    return "stopped", ""
                ending = train(
                    uploads.baseline(config),
                    lambda p: on_progress(replace(p, durable_step=uploads.durable_step)),
                    lambda: should_stop() or uploads.stopping,
                )
            return ("failed", uploads.failure) if uploads.failure else ending
    except UserError as error:
        return "failed", str(error)


def _train(
    config: TrainConfig,
    directory: Path,
    dataset_root: Path,
    device: "torch.device",
    started: float,
    baseline: Path | None,
    on_progress: Callable[["Progress"], None],
    should_stop: Callable[[], bool],
) -> tuple[Ending, str]:
    from gan.data.datasets import load
    from gan.training.trainer import Trainer

    diary = Diary(directory, started)

    def report(progress: "Progress") -> None:
        diary.beat(progress)
        on_progress(progress)

    try:
        trainer = Trainer(config, load(config, dataset_root), device)
        finished = trainer.fit(
            directory, baseline=baseline, on_progress=report, should_stop=should_stop
        )
    except UserError as error:
        diary.end("failed", str(error))
        return "failed", str(error)
    except Exception as error:  # our own mistake: the directory keeps the traceback
        reason = keep_traceback(directory, error)
        diary.end("failed", reason)
        return "failed", reason
    ending: Ending = "finished" if finished else "stopped"
    diary.end(ending)
    return ending, ""
