"""Gauges of a trial, which Ray exports for Prometheus from the worker that trains it."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from ray.util.metrics import Gauge

from gan.plain_text import first_line, plain
from gan.training.progress import Progress
from orchestrator.worker.run import TrialTask

log = logging.getLogger(__name__)

GAUGES = {
    "step": "Generator steps done",
    "total_steps": "Generator steps of the whole training",
    "durable_step": "Step of the newest checkpoint, from which a killed training goes on",
    "images_per_second": "Rate of the last second or so, 0 during an evaluation",
    "seconds": "Time of all processes on steps and evaluations that count",
    "checkpoint_seconds": "Time that this process waited for checkpoints",
    "evaluation_seconds": "Time of the final evaluation so far, not yet part of seconds",
    "loss": "Newest value of a loss, by term",
    "evaluation": "Newest evaluation, by metric",
    "trials": "Number of trials, by phase",
    "goodput": "Share of all worker time that went into steps and evaluations that count",
}
"""Descriptions by name, without ``colorsweep_``; the last two are the driver's."""


@dataclass(frozen=True)
class Sample:
    """Value of a gauge."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)
    """Labels beside those of the trial."""


@cache
def _gauge(name: str, keys: tuple[str, ...]) -> Gauge:
    return Gauge(f"colorsweep_{name}", GAUGES[name], keys)


def set_gauge(sample: Sample, labels: dict[str, str]) -> None:
    """Set a gauge until Ray's next export; after two without another call it vanishes."""
    labels = exported(labels | sample.labels)
    _gauge(sample.name, tuple(labels)).set(float(sample.value), labels)


def exported(labels: dict[str, str]) -> dict[str, str]:
    r"""Return labels that anybody may read, with ``\xe9`` for é: Ray refuses all but ASCII."""
    return {k: plain(v).encode("ascii", "backslashreplace").decode() for k, v in labels.items()}


def samples(task: TrialTask, progress: Progress) -> Iterator[Sample]:
    """Yield the values of a trial's gauges; one that is recoloured has taken no steps itself."""
    if not task.config["recolour"]:
        yield Sample("step", progress.step)
        yield Sample("total_steps", progress.total_steps)
        yield Sample("durable_step", progress.durable_step)
        yield Sample("images_per_second", progress.images_per_second)
        yield Sample("seconds", progress.seconds)
        yield Sample("checkpoint_seconds", progress.checkpoint_seconds)
        yield Sample("evaluation_seconds", progress.evaluation_seconds)
        for name, value in progress.metrics.items():
            if name.startswith("loss/"):
                yield Sample("loss", value, {"term": name.removeprefix("loss/")})
    errors = (f"{name}_error" for name in task.config["controls"])
    for metric in dict.fromkeys(["mae", *errors, task.objective]):
        if (measured := progress.metrics.get(f"eval/{metric}")) is not None:
            yield Sample("evaluation", measured, {"metric": metric})


class Harmless:
    """Context manager that swallows errors: metrics must not end a training."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """``tell`` is called with the first error."""
        self._tell: Callable[[str], None] | None = tell

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if self._tell is not None:
            self._tell(f"metrics are not exported ({first_line(error)}); training goes on")
        self._tell = None
        return True


class TrialGauges:
    """Gauges of the trial that this worker trains."""

    def __init__(self, task: TrialTask) -> None:
        self._task = task
        self._labels = {"sweep": task.sweep, "trial": task.name, "key": task.key}
        self._progress: Progress | None = None
        self._harmless = Harmless(log.warning)

    def show(self, progress: Progress) -> None:
        """Set all gauges to a new progress."""
        self._progress = progress
        self.keep()

    def keep(self) -> None:
        """Set all gauges to the last progress again, so that none vanishes in an evaluation."""
        if self._progress is None:
            return
        with self._harmless:
            for sample in samples(self._task, self._progress):
                set_gauge(sample, self._labels)
