"""Launches in processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from clusters import trains

from gan import checkpoint
from orchestrator.plan import Trial


class Launch:
    """A launch in a process of its own."""

    def __init__(self, runs: Path, sweep: Path, **environment: str) -> None:
        unset = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")
        inherited = {k: v for k, v in os.environ.items() if k not in unset}
        self.directory = runs / "sweeps" / sweep.stem
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli", "--runs", runs, "launch", sweep],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | {"COLUMNS": "120"} | environment,
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 400
        while not condition():
            assert self.process.poll() is None, self.end().stderr
            assert time.monotonic() < deadline, "nothing happened"
            time.sleep(0.2)

    def step_of(self, trial: Trial) -> int:
        newest = checkpoint.newest(self.directory / trial.key, digests=False)
        return checkpoint.read_trial(newest)["step"] if newest else 0

    def workers(self) -> list[psutil.Process]:
        """The processes that train: descendants of this launch that Ray named so."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in below if trains(process)]

    def trainings(self) -> list[psutil.Process]:
        """The processes that were forked to train, those of killed workers aside."""
        nurseries = [child for worker in self.workers() for child in worker.children()]
        return [training for nursery in nurseries for training in nursery.children()]

    def kill(self) -> None:
        """The driver alone; what it started has to notice."""
        self.process.kill()
        self.end()

    def end(self) -> subprocess.CompletedProcess[str]:
        out, err = self.process.communicate(timeout=300)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)
