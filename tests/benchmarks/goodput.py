"""Goodput through preemptions, beside plain Ray Tune: ``make benchmark``.

Two workers, each of which is killed once in ten minutes, in real time. Both systems train the
same nets by the same steps. Plain Ray Tune does as its documents say: a function trainable that
reports a checkpoint after every epoch (391 steps of CIFAR-10), ``FailureConfig`` and MLflow's
callback. Goodput: steps that were kept, over those that the same worker takes in that
time undisturbed.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from gan import checkpoint
from gan.checkpoint import Checkpoint
from gan.config import TrainConfig
from orchestrator.store.attempts import attempts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.processes import Launch

EPOCH = 391
SETTINGS = "base_channels: 16, batch_size: 16, log_every: 20, evaluate_every: 391"
SWEEP = f"settings: {{steps: 100000, {SETTINGS}}}\npoints: [{{seed: 1}}, {{seed: 2}}]\n"
SAMPLE_SECONDS = 1.0
WINDOW = 5

Where = tuple[int, int]
"""A worker's process, and the newest step that it has taken."""


def main(seconds: float) -> None:
    """Print a line of Markdown for each system."""
    for name, measure in (("colorsweep", _of_colorsweep), ("plain Ray Tune", _of_plain)):
        with tempfile.TemporaryDirectory() as scratch:
            shares = measure(Path(scratch), seconds)
        each = ", ".join(f"{share:.1%}" for share in shares)
        print(f"| goodput, {name} | {statistics.mean(shares):.1%} (workers: {each}) |", flush=True)


def _of_colorsweep(scratch: Path, seconds: float) -> list[float]:
    sweep = scratch / "goodput.yaml"
    sweep.write_text(SWEEP)
    directories = [scratch / "sweeps" / "goodput" / t.key for t in expand(read_sweep(sweep))]

    def look(worker: int) -> Where:
        found = attempts(directories[worker])
        return (found[-1].process, found[-1].step) if found else (0, 0)

    def kill(training: int) -> None:
        psutil.Process(training).parents()[1].kill()  # the Ray worker, beyond the nursery

    launch = Launch(scratch, sweep)
    try:
        return _replay(look, kill, seconds)
    finally:
        launch.process.terminate()
        launch.end()


def _of_plain(scratch: Path, seconds: float) -> list[float]:
    import subprocess

    def look(worker: int) -> Where:
        try:
            process, step = (scratch / f"progress-{worker}").read_text().split()
        except (OSError, ValueError):
            return 0, 0
        return int(process), int(step)

    driver = subprocess.Popen(
        [sys.executable, __file__, "plain", scratch],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return _replay(look, lambda worker: os.kill(worker, signal.SIGKILL), seconds)
    finally:
        driver.terminate()
        driver.wait()


def _replay(
    look: Callable[[int], Where], kill: Callable[[int], None], seconds: float
) -> list[float]:
    """Kill worker 0 after a third of the time, worker 1 after two thirds."""
    while any(look(worker)[1] == 0 for worker in (0, 1)):
        time.sleep(0.1)
    began = time.monotonic()
    kills = [(seconds / 3, 0), (seconds * 2 / 3, 1)]
    samples: list[list[int]] = [[look(0)[1]], [look(1)[1]]]
    while (now := time.monotonic() - began) < seconds:
        if kills and now > kills[0][0]:
            kill(look(kills.pop(0)[1])[0])
        for worker in (0, 1):
            samples[worker].append(look(worker)[1])
        time.sleep(max(0.0, len(samples[0]) * SAMPLE_SECONDS - (time.monotonic() - began)))
    return [_goodput(of) for of in samples]


def _goodput(steps: list[int]) -> float:
    windows = [b - a for a, b in zip(steps, steps[WINDOW:], strict=False) if b > a]
    undisturbed = statistics.median(windows) / WINDOW
    return (max(steps) - steps[0]) / (undisturbed * (len(steps) - 1))


def _plain(scratch: Path) -> None:
    """Run plain Ray Tune, until it is terminated."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    tuner = tune.Tuner(
        tune.with_resources(_trainable, {"cpu": 1}),
        param_space={"worker": tune.grid_search([0, 1]), "scratch": str(scratch)},
        run_config=tune.RunConfig(
            name="plain",
            storage_path=str(scratch / "plain"),
            failure_config=tune.FailureConfig(max_failures=-1),
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{scratch}/mlflow.db", experiment_name="plain"
                )
            ],
        ),
    )
    tuner.fit()


def _trainable(config: dict[str, Any]) -> None:
    import torch
    import yaml
    from ray import tune

    from gan.data.datasets import load
    from gan.training.trainer import Trainer

    torch.set_num_threads(1)
    scratch, worker = Path(config["scratch"]), config["worker"]
    settings = yaml.safe_load(f"{{{SETTINGS}}}")
    trial = TrainConfig(steps=100_000, seed=worker + 1, **settings)
    trainer = Trainer(trial, load(trial), torch.device("cpu"))
    if (found := tune.get_checkpoint()) is not None:
        with found.as_directory() as directory:
            files = {name: (Path(directory) / name).read_bytes() for name in checkpoint.FILES}
            trainer.training.restore(Checkpoint(Path(directory), files))
    noted = 0.0
    while trainer.training.step < trainer.training.total_steps:
        trainer.training.train_step()
        if trainer.training.step % trial.log_every == 0:
            trainer.training.log_losses()
        if time.monotonic() - noted > SAMPLE_SECONDS / 2:
            noted = time.monotonic()
            file = scratch / f"progress-{worker}"
            file.with_suffix(".new").write_text(f"{os.getpid()} {trainer.training.step}")
            file.with_suffix(".new").replace(file)
        if trainer.training.step % EPOCH == 0:
            trainer.training.evaluate()
            with tempfile.TemporaryDirectory() as directory:
                for name, content in trainer.training.state().items():
                    (Path(directory) / name).write_bytes(content)
                metrics = trainer.training.history[-1]["metrics"] | {"step": trainer.training.step}
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(directory))


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        _plain(Path(sys.argv[2]))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0)
