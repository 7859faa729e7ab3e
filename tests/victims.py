"""Trainings to be killed, in processes that have imported everything: a life begins at once."""

import math
import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

from gan.config import TrainConfig

SWEEP = "kills"


def start(config: TrainConfig, runs: Path, uri: str) -> BaseProcess:
    """Train a trial as ``colorsweep train`` does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["victims_imports"])
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(Path(__file__).parent)}):
        forkserver.ensure_running()  # knows no other way to find what is to be imported
    process = context.Process(target=_live, args=(config.model_dump_json(), runs, uri), daemon=True)
    process.start()
    return process


def _live(config: str, runs: Path, uri: str) -> None:
    import torch
    from rich.console import Console

    from gan import trainer
    from orchestrator.plan import Trial
    from orchestrator.train import train

    torch.set_num_threads(1)
    trainer.CHECKPOINT_SHARE = math.inf  # a checkpoint at every evaluation: more of them to hit
    parsed = TrainConfig.model_validate_json(config)
    with Path(os.devnull).open("w") as nowhere:
        train(SWEEP, Trial("trial", parsed.key(), parsed), runs, uri, Console(file=nowhere))
