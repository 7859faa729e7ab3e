"""Use of a trial's node while it trains, for MLflow, by MLflow's own switch.

MLflow's monitor would sample the machine of the launch, which is not where a trial trains.
"""

import os
import time
from importlib.util import find_spec

from gan.errors import UserError
from orchestrator.store.events import NodeSample

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
SECONDS = 10.0
"""Interval of the samples where ``INTERVAL`` is not set, as in MLflow."""
MEGABYTE = 1e6


def is_wanted() -> bool:
    """Whether the environment asks for the use of nodes."""
    return os.environ.get(SWITCH, "").lower() in ("true", "1")


def unavailable() -> str | None:
    """Return why it cannot be sampled here, and the remedy; None if it can, or is not wanted."""
    if not is_wanted() or find_spec("psutil") is not None:
        return None
    return "psutil is not installed; pip install psutil"


class NodeSampler:
    """Sampler of this process, which trains a trial, and of its node."""

    def __init__(self, *, on_gpu: bool) -> None:
        """Prepare to sample; ``on_gpu`` tells whether the trial has a share of a GPU.

        Raises:
            UserError: the interval that the environment gives is no number.
        """
        import psutil

        self._psutil, self._on_gpu = psutil, on_gpu
        self._process = psutil.Process()
        given = os.environ.get(INTERVAL) or str(SECONDS)
        try:
            self._seconds = float(given)
        except ValueError:
            raise UserError(f"{INTERVAL}: {given!r} is not a number of seconds") from None
        self._before = time.monotonic()
        psutil.cpu_percent()  # the first answer means nothing
        self._process.cpu_percent()

    def sample(self, step: int) -> NodeSample | None:
        """Return a sample at a step of the training; None if the last one is too recent."""
        if time.monotonic() - self._before < self._seconds:
            return None
        self._before = time.monotonic()
        memory = self._psutil.virtual_memory()
        found = {
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
            "trial_cpu_utilization_percentage": self._process.cpu_percent(),
            "trial_memory_usage_megabytes": self._process.memory_info().rss / MEGABYTE,
        }
        if self._on_gpu:
            import torch

            free, total = torch.cuda.mem_get_info()
            found["gpu_0_memory_usage_megabytes"] = (total - free) / MEGABYTE
            found["gpu_0_memory_usage_percentage"] = 100 * (1 - free / total)
        metrics = {f"system/{name}": round(value, 1) for name, value in found.items()}
        return NodeSample(int(time.time() * 1000), step, metrics)


def sampler(*, on_gpu: bool) -> NodeSampler | None:
    """Return a sampler if the environment asks for one, and psutil is there."""
    return NodeSampler(on_gpu=on_gpu) if is_wanted() and unavailable() is None else None
