"""What orchestration costs: 200 short trials, and a finished sweep of 1,000: ``make benchmark``.

The 200 trials train two seconds each, on two CPUs: 200 s if there were nothing but training. The
1,000 trials are copies of one that was trained, under 1,000 seeds; they are sent to the tracking
store by a first launch, and the second, which has nothing to do, is timed.
"""

import tempfile
import time
from pathlib import Path

import torch

from gan.data.datasets import load
from gan.training.trainer import Trainer
from orchestrator.store.attempts import attempts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.cli import run_measured
from tests.support.trial_copies import copy_as

TINY = "base_channels: 8, batch_size: 16, eval_images: 12, log_every: 1000, evaluate_every: 1000"


def main() -> None:
    """Print lines of Markdown."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        _short_trials(Path(scratch))
    with tempfile.TemporaryDirectory() as scratch:
        _finished_sweep(Path(scratch))


def _short_trials(scratch: Path) -> None:
    steps = _steps_in_two_seconds(scratch)
    sweep = _sweep(scratch, "short", 200, steps)
    began = time.monotonic()
    _launch(scratch, sweep)
    seconds = time.monotonic() - began
    counted = [
        sum(attempt.counted for attempt in attempts(scratch / "sweeps" / "short" / trial.key))
        for trial in expand(read_sweep(sweep))
    ]
    ideal = sum(counted) / 2
    print(
        f"| 200 trials of {sum(counted) / 200:.2f} s on 2 CPUs | {seconds:.0f} s; training alone "
        f"{ideal:.0f} s: {seconds / ideal - 1:.0%} more |",
        flush=True,
    )


def _steps_in_two_seconds(scratch: Path) -> int:
    """Count the steps that two trainings at once each take in two seconds, by training."""
    sweep = _sweep(scratch, "calibration", 4, 60)
    _launch(scratch, sweep)
    trials = expand(read_sweep(sweep))[2:]  # the first two start cold
    histories = [attempts(scratch / "sweeps" / "calibration" / trial.key) for trial in trials]
    return int(60 * 2 / (sum(history[0].counted for history in histories) / len(histories)))


def _finished_sweep(scratch: Path) -> None:
    sweep = _sweep(scratch, "finished", 1000, 2)
    trials = expand(read_sweep(sweep))
    model = scratch / "model"
    trainer = Trainer(trials[0].config, load(trials[0].config), torch.device("cpu"))
    assert trainer.fit(model)
    for trial in trials:
        copy_as(trial.config, model, scratch / "sweeps" / "finished" / trial.key)
    began = time.monotonic()
    _launch(scratch, sweep)
    print(f"| 1,000 finished trials, sent to the store | {time.monotonic() - began:.0f} s |")
    began = time.monotonic()
    peak = _launch(scratch, sweep)
    seconds = time.monotonic() - began
    print(f"| launch of 1,000 finished trials | {seconds:.1f} s, {peak / 2**20:.2f} GiB |")


def _sweep(scratch: Path, name: str, count: int, steps: int) -> Path:
    sweep = scratch / f"{name}.yaml"
    seeds = list(range(count))
    sweep.write_text(f"settings: {{steps: {steps}, {TINY}}}\naxes: {{seed: {seeds}}}\n")
    return sweep


def _launch(scratch: Path, sweep: Path) -> int:
    """Launch to the end; returns the driver's largest memory in KiB, that of Ray aside."""
    return run_measured("--runs", str(scratch), "launch", str(sweep), "--fresh").memory


if __name__ == "__main__":
    main()
