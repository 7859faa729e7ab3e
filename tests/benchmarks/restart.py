"""How long after a trial's process is killed its next step is taken: ``make benchmark``.

A sweep of two trials of the laptop sweep's nets on two CPUs. With SIGKILL dies either a training's
process alone, or the whole Ray worker, as when its machine is gone: then a new one is to be
started, and everything imported. In both cases the death is noticed and pictures and checkpoint
are loaded before the next step.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from orchestrator.store.attempts import Attempt, attempts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.processes import Launch

SWEEP = """
settings: {steps: 100000, base_channels: 16, batch_size: 16, log_every: 10, evaluate_every: 1000}
points: [{seed: 1}, {seed: 2}]
"""


def main(kills: int) -> None:
    """Print a line of Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        sweep = Path(scratch) / "restart.yaml"
        sweep.write_text(SWEEP)
        directories = [
            Path(scratch) / "sweeps" / "restart" / trial.key for trial in expand(read_sweep(sweep))
        ]
        launch = Launch(Path(scratch), sweep)
        try:
            for directory in directories:
                _first_step(directory, after=0.0)
            for what, up in (("training process", 0), ("Ray worker", 2)):
                seconds = [_restart(directories[n % 2], up) for n in range(kills)]
                middle, worst = statistics.median(seconds), max(seconds)
                shown = f"median {middle:.1f} s, longest {worst:.1f} s"
                print(f"| {what} killed ({kills} times), to the next step | {shown} |", flush=True)
        finally:
            launch.process.terminate()
            launch.end()


def _restart(directory: Path, up: int) -> float:
    """Kill a trial's process, or that many above it."""
    time.sleep(15)  # trains on; a checkpoint is taken
    training = psutil.Process(attempts(directory)[-1].process)
    killed = time.time()
    [training, *training.parents()][up].kill()
    return _first_step(directory, after=killed) - killed


def _first_step(directory: Path, after: float) -> float:
    """Wait for the end of the first step of the attempt that began after a time; say when."""

    def begun() -> Attempt | None:
        found = [attempt for attempt in attempts(directory) if attempt.started > after]
        return found[-1] if found and found[-1].step > found[-1].from_step else None

    while (attempt := begun()) is None:
        time.sleep(0.02)
    steps = attempt.step - attempt.from_step
    return attempt.seen - attempt.counted * (steps - 1) / steps


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
