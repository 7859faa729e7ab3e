"""What Ray Tune runs: one trial, from wherever its directory says it is."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray import tune

from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.state import baseline_directory, keep_traceback


@dataclass(frozen=True)
class TrialTask:
    """A trial as it travels to a worker; plain values only."""

    key: str
    config: dict[str, Any]
    directory: str
    """Of the trial, on storage that every node sees."""
    dataset_root: str
    """Directory that a relative ``dataset_path`` starts from."""
    stop_file: str
    """Asks for a checkpoint and an end, by existing."""
    threads: int
    on_gpu: bool
    """Whether a share of a GPU was set aside for it."""


def run_trial(config: dict[str, Any]) -> None:
    """Train a trial to its end or until it is asked to stop, reporting about once a second.

    The newest sound checkpoint in the trial's directory is where it goes on, be it after a
    killed worker or a new launch. An exception would come again, so it is reported as the
    trial's end; only a death of the process lets Ray try again.
    """
    try:
        _run(TrialTask(**config["task"]))
    except UserError as error:
        tune.report({"state": "failed", "reason": str(error)})
    except Exception as error:  # our own mistake: the trial's directory keeps the traceback
        reason = keep_traceback(Path(config["task"]["directory"]), error)
        tune.report({"state": "failed", "reason": reason})


def _run(task: TrialTask) -> None:
    os.environ["OMP_NUM_THREADS"] = str(task.threads)
    # torch is imported here, in the worker: the driver needs none of it.
    import torch

    from gan.datasets import load
    from gan.trainer import Progress, Trainer

    def report(progress: Progress) -> None:
        tune.report({"state": "running", **asdict(progress)})

    torch.set_num_threads(task.threads)
    stop_file = Path(task.stop_file)
    if stop_file.exists():
        tune.report({"state": "stopped"})
        return
    config = TrainConfig.model_validate(task.config)
    dataset = load(config, Path(task.dataset_root))
    trainer = Trainer(config, dataset, torch.device("cuda" if task.on_gpu else "cpu"))
    directory = Path(task.directory)
    finished = trainer.fit(
        directory,
        baseline=baseline_directory(directory, config),
        on_progress=report,
        should_stop=stop_file.exists,
    )
    tune.report({"state": "finished" if finished else "stopped"})
