"""The program in processes of its own, to be interrupted and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import psutil

from gan import checkpoint
from orchestrator.sweep.trials import Trial
from tests.support.ray_cluster import ENVIRONMENT, trains

SETTINGS = """\
settings:
  dataset: photos
  base_channels: 4
  batch_size: 8
  log_every: 7
  evaluate_every: 20
  eval_images: 12
"""
"""Of a sweep, but for ``steps``."""


def on_small(npz: Path, sweep: str) -> str:
    """A sweep on pictures that load at once, where the photographs take seconds."""
    return sweep.replace("photos", f"npz\n  dataset_path: {npz}")


def _hear_ctrl_c() -> None:
    """Undo that a shell makes what it starts in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """A command of ``colorsweep``."""

    def __init__(self, *arguments: str | Path, **environment: str) -> None:
        unset = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", *ENVIRONMENT)
        inherited = {k: v for k, v in os.environ.items() if k not in unset}
        self.process = subprocess.Popen(
            # -P: like the installed command, it finds nothing in the current directory.
            [sys.executable, "-P", "-m", "orchestrator", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | {"COLUMNS": "120"} | environment,
            preexec_fn=_hear_ctrl_c,
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 400
        while not condition():
            assert self.process.poll() is None, self.end().stderr
            assert time.monotonic() < deadline, "nothing happened"
            time.sleep(0.25)

    def kill(self) -> None:
        """The program alone; what it started has to notice."""
        self.process.kill()
        self.end()

    def end(self) -> subprocess.CompletedProcess[str]:
        """Its output; ``communicate`` would lose what Python has read beyond a line."""
        return self._ended

    @cached_property
    def _ended(self) -> subprocess.CompletedProcess[str]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout as out, self.process.stderr as err, ThreadPoolExecutor(1) as pool:
            errors = pool.submit(err.read)
            said, complained = out.read(), errors.result()
        return subprocess.CompletedProcess([], self.process.wait(300), said, complained)


class Launch(Program):
    """A launch of a sweep."""

    def __init__(self, runs: Path, sweep: Path, storage: str = "", **environment: str) -> None:
        options = ("--storage", storage) if storage else ()
        super().__init__("--runs", runs, *options, "launch", sweep, **environment)
        self.directory = runs / "sweeps" / sweep.stem

    def step_of(self, trial: Trial) -> int:
        return step_of(self.directory / trial.key)

    def workers(self) -> list[psutil.Process]:
        """The processes that train: descendants of this launch that Ray named so."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in below if trains(process)]

    def trainings(self) -> list[psutil.Process]:
        """The processes that were forked to train, those of killed workers aside."""
        nurseries = [child for worker in self.workers() for child in worker.children()]
        return [training for nursery in nurseries for training in nursery.children()]


def step_of(trial: Path) -> int:
    """Of the newest checkpoint in a trial's directory."""
    newest = checkpoint.newest(trial, checkpoint.TRIAL)
    return int(newest.trial["step"]) if newest else 0
