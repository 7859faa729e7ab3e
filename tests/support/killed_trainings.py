"""Trainings to be killed."""

import json
import math
import os
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.store.object_store import ObjectStore
from orchestrator.store.paths import Locations, scratch_directory
from orchestrator.sweep.trials import Trial
from tests.support.forks import forked

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
            step = json.loads((self.upload / checkpoint.TRIAL).read_bytes())["step"]
        except FileNotFoundError:
            return True  # it is being put together
        manifest = f"{checkpoint.step_name(step)}/{checkpoint.MANIFEST}"
        return manifest not in ObjectStore(self.storage).entries(f"{self.path}/checkpoints")

    def generator(self) -> bytes:
        """The weights that it ended with."""
        of = f"{checkpoint.step_name(self.config.steps or 0)}/{checkpoint.GENERATOR}"
        if self.storage is None:
            return (checkpoint.checkpoints_of(self.trial) / of).read_bytes()
        return ObjectStore(self.storage).read(f"{self.path}/checkpoints/{of}")

    def start(self) -> BaseProcess:
        """Train it, and track it, in a process of its own."""
        return forked(self._live)

    def _live(self) -> None:
        """Do as a launch does with one trial, without Ray."""
        import torch
        from rich.console import Console

        from gan.training import session
        from orchestrator.driver.live_view import LiveView
        from orchestrator.driver.monitor import Monitor
        from orchestrator.driver.tracking_sync import TrackingSync
        from orchestrator.store.sweep_store import store_of
        from orchestrator.worker import upload
        from orchestrator.worker.run import TrialTask, run
        from orchestrator.worker.stop_signal import StopSignal
        from tests.support.trackers import tracker_of

        torch.set_num_threads(1)
        session.CHECKPOINT_SHARE = math.inf  # a checkpoint at every evaluation: more to hit
        upload.POLL_SECONDS = 0.05
        tempfile.tempdir = str(self.runs)
        os.environ.update(self.environment)
        trial = Trial("trial", self.config.key(), self.config)
        store = store_of(Locations(self.runs, self.storage), SWEEP)
        store.open()
        tracker = tracker_of(f"sqlite:///{self.runs}/mlflow.db", SWEEP, self.runs)
        with Path(os.devnull).open("w") as nowhere:
            view = LiveView(Console(file=nowhere))
            tracking = TrackingSync(tracker, view.say)
            monitor = Monitor([trial], store, view, tracking)
            task = TrialTask(
                key=trial.key,
                config=trial.config.model_dump(mode="json"),
                directory=str(store.directory / trial.key),
                dataset_root="",
                on_gpu=False,
                threads=1,
                **store.task_fields(trial.key),
            )
            monitor.on_event(run(task, time.time(), monitor.on_event, StopSignal()))
            assert tracking.close() == 0
