"""What tests of trainings share."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan import checkpoint
from gan.config import TrainConfig
from gan.data.datasets import load
from gan.training.session import Session
from gan.training.trainer import Trainer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Start = Callable[..., Trainer]


def small(npz: Path, **fields: Any) -> TrainConfig:
    defaults = {
        "dataset": "npz",
        "dataset_path": str(npz),
        "base_channels": 4,
        "batch_size": 8,
        "steps": 40,
        "log_every": 5,
        "evaluate_every": 10,
        "eval_images": 12,
        "lr_decay_steps": 50,
        "penalty_from_step": 0.0,
        "controls": {"saturation": {"target": 0.75}, "hue": {"target": 0.6}},
        "fit": "none",  # two thirds of a step of nets so small
    }
    return TrainConfig.model_validate({**defaults, **fields})


def left_alone(config: TrainConfig, directory: Path) -> Trainer:
    """A trial that nothing interrupts, in this process."""
    torch.set_num_threads(1)  # as many as a trial has by default
    trainer = Trainer(config, load(config), torch.device("cpu"))
    assert trainer.fit(directory)
    return trainer


def left_alone_meanwhile(configs: Sequence[TrainConfig], directory: Path) -> list[Future[Trainer]]:
    """Such trials, trained one after the other while other processes are waited for."""
    pool = ThreadPoolExecutor(1)
    trained = [pool.submit(left_alone, each, directory / each.key()) for each in configs]
    pool.shutdown(wait=False)
    return trained


def assert_same_generator(stored: Path | bytes, of: Trainer) -> None:
    """Assert that a trial's directory, or a file of weights, has the same, bit for bit."""
    if isinstance(stored, Path):
        newest = checkpoint.newest(stored)
        assert newest is not None
        stored = newest.files[checkpoint.GENERATOR]
    weights = checkpoint.unpack(stored)
    for name, tensor in of.training.gan.generator.state_dict().items():
        assert torch.equal(weights[name], tensor), name


def weights(of: Trainer) -> Tensor:
    """Every number of the generator, batch statistics included."""
    return torch.cat(
        [t.double().flatten() for t in of.training.gan.generator.state_dict().values()]
    )


def everything(of: Trainer) -> dict[str, bytes]:
    """The complete state, without the times that it took."""
    state = of.training.state()
    trial = json.loads(state.pop("trial.json"))
    del trial["seconds"], trial["step_seconds"]
    for point in trial["history"]:
        del point["time"]
    return {**state, "trial.json": json.dumps(trial, sort_keys=True).encode()}


def assert_sent_once(client: "MlflowClient", run: "Run", of: Trainer) -> None:
    """Assert that a run of a store has the history's points, each once."""
    assert_each_once(
        [
            (name, metric.step, metric.value)
            for name in run.data.metrics
            for metric in client.get_metric_history(run.info.run_id, name)
        ],
        of,
    )


def assert_each_once(sent: Sequence[tuple[str, int, float]], of: Trainer) -> None:
    """Assert that what was sent, of names, steps and values, is the history's."""
    wanted = {
        (name, step): value for step, metrics in points(of) for name, value in metrics.items()
    }
    assert len(sent) == len(wanted), "a gap or a duplicate"
    assert {(name, step): value for name, step, value in sent} == wanted


def points(of: Trainer) -> list[tuple[int, dict[str, float]]]:
    return [(point["step"], point["metrics"]) for point in of.training.history]


def series(of: Trainer, name: str) -> dict[int, float]:
    """One metric by step; no step has two values."""
    found = [(step, metrics[name]) for step, metrics in points(of) if name in metrics]
    assert len(dict(found)) == len(found)
    return dict(found)


def save(of: Trainer, trial: Path) -> None:
    """Write a checkpoint of a training."""
    with Session(of.training, trial, lambda progress: None, lambda: False) as session:
        session.save()
