"""Use of a trial's node while it trains, for MLflow, by MLflow's own switch.

MLflow's monitor would sample the machine of the launch, which is not where a trial trains.
"""

import logging
import math
import os
import time
from importlib.util import find_spec

from gan.errors import UserError
from gan.plain_text import first_line
from orchestrator.store.events import NodeSample

log = logging.getLogger(__name__)

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


def require_interval() -> None:
    """Refuse an interval that is none, if the use of nodes is wanted.

    Raises:
        UserError: the interval that the environment gives is no number of seconds.
    """
    if is_wanted():
        _interval()


def _interval() -> float:
    given = os.environ.get(INTERVAL) or str(SECONDS)
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:  # false for nan
        raise UserError(f"{INTERVAL}: {given!r} is not a number of seconds")
    return seconds


class NodeSampler:
    """Sampler of this process, which trains a trial, and of its node; its errors fail no trial."""

    def __init__(self, *, on_gpu: bool) -> None:
        """Prepare to sample; ``on_gpu`` tells whether the trial has a share of a GPU."""
        import psutil

        self._psutil, self._on_gpu = psutil, on_gpu
        self._process = psutil.Process()
        self._seconds = _interval()
        self._has_failed = False
        self._before = time.monotonic()
        psutil.cpu_percent()  # the first answer means nothing
        self._process.cpu_percent()

    def sample(self, step: int) -> NodeSample | None:
        """Return a sample at a step of the training.

        Returns:
            None if the last sample is too recent, or this one fails; the log has the first failure.
        """
        if time.monotonic() - self._before < self._seconds:
            return None
        self._before = time.monotonic()
        try:
            metrics = self._measured()
        except Exception as error:  # whatever psutil or a GPU's driver raises
            if not self._has_failed:
                _tell(error)
            self._has_failed = True
            return None
        return NodeSample(int(time.time() * 1000), step, metrics)

    def _measured(self) -> dict[str, float]:
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
        return {f"system/{name}": round(value, 1) for name, value in found.items()}


def sampler(*, on_gpu: bool) -> NodeSampler | None:
    """Return a sampler if the environment asks for one, and this process can sample."""
    if not is_wanted() or unavailable() is not None:
        return None
    try:
        return NodeSampler(on_gpu=on_gpu)
    except Exception as error:  # as in ``sample``; or the node has another interval
        _tell(error)
        return None


def _tell(error: Exception) -> None:
    log.warning("the use of the node is not measured (%s); training goes on", first_line(error))
