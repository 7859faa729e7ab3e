"""Trainings to be killed, in processes that have imported everything: a life begins at once."""

import math
import multiprocessing
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest import mock

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.store.object_store import Storage
from orchestrator.sweep.trials import Trial
from orchestrator.worker.upload import scratch_directory

if TYPE_CHECKING:
    from orchestrator.driver.live_view import State

SWEEP = "kills"


@dataclass(frozen=True)
class Victim:
    """A trial, and where it is kept and tracked."""

    config: TrainConfig
    runs: Path
    """Where it is kept or, for a store, the directory of its process for temporary files."""
    storage: str | None
    """URI of the object store that its checkpoints live in, if they do."""
    environment: dict[str, str]
    """For that store."""

    @property
    def path(self) -> str:
        return f"sweeps/{SWEEP}/{self.config.key()}"

    @property
    def trial(self) -> Path:
        """The directory that it is trained in."""
        if self.storage is None:
            return self.runs / self.path
        return scratch_directory(self.storage, self.path)

    @property
    def upload(self) -> Path:
        """What is, or was last, uploaded."""
        return self.trial / ".upload"

    @property
    def journal(self) -> Path:
        """There while the tracking store is written to."""
        return self.runs / "mlflow.db-journal"

    def is_uploading(self) -> bool:
        """Whether the upload of a checkpoint has begun and not ended."""
        if self.storage is None or not self.upload.exists():
            return False
        try:
            step = checkpoint.read_trial(self.upload)["step"]
        except FileNotFoundError:
            return True  # it is being put together
        manifest = f"{checkpoint.step_name(step)}/{checkpoint.MANIFEST}"
        return manifest not in Storage(self.storage).entries(f"{self.path}/checkpoints")

    def generator(self) -> bytes:
        """The weights that it ended with."""
        of = f"{checkpoint.step_name(self.config.steps or 0)}/{checkpoint.GENERATOR}"
        if self.storage is None:
            return (checkpoint.checkpoints_of(self.trial) / of).read_bytes()
        return Storage(self.storage).read(f"{self.path}/checkpoints/{of}")

    def start(self) -> BaseProcess:
        """Train it, and track it, in a process of its own."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.support.killed_trainings_imports"])
        with mock.patch.dict(os.environ, {"PYTHONPATH": str(Path(__file__).parents[2])}):
            forkserver.ensure_running()  # knows no other way to find what is to be imported
        process = context.Process(target=self._live, daemon=True)
        process.start()
        return process

    def _live(self) -> None:
        """Do as a launch does with one trial, without Ray."""
        import torch
        from rich.console import Console

        from gan.training import trainer
        from orchestrator.driver.live_view import Progress
        from orchestrator.driver.monitor import Watch
        from orchestrator.driver.tracking_sync import Sender, transfer_of
        from orchestrator.store.sweep_store import home_of
        from orchestrator.store.trial_state import Places
        from orchestrator.worker import upload
        from orchestrator.worker.task import TrialTask
        from reports.tracking import SweepTracker

        torch.set_num_threads(1)
        trainer.CHECKPOINT_SHARE = math.inf  # a checkpoint at every evaluation: more to hit
        upload.POLL_SECONDS = 0.05
        tempfile.tempdir = str(self.runs)
        os.environ.update(self.environment)
        trial = Trial("trial", self.config.key(), self.config)
        home = home_of(Places(self.runs, self.storage), SWEEP)
        home.open()
        tracker = SweepTracker(f"sqlite:///{self.runs}/mlflow.db", SWEEP, self.runs)
        with Path(os.devnull).open("w") as nowhere:
            progress = Progress(Console(file=nowhere), [trial])
            sender = Sender(tracker, progress.say)
            watch = Watch([transfer_of(trial, 0, home)], progress, sender)
            state, reason = TrialTask(
                key=trial.key,
                config=trial.config.model_dump(mode="json"),
                directory=str(home.directory / trial.key),
                dataset_root="",
                threads=1,
                on_gpu=False,
                **home.task(trial.key),
            ).run(
                started=time.time(),
                on_progress=lambda p: watch.heard(trial.key, "running", **asdict(p)),
                should_stop=lambda: False,
            )
            watch.heard(trial.key, cast("State", state), reason)
            assert sender.close() == 0
