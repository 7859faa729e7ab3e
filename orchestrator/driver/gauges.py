"""Gauges of a sweep, which Ray exports for Prometheus from the driver."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ray.util import metrics

from orchestrator.driver.monitor import Monitor
from orchestrator.store.attempts import Attempt, attempts, goodput
from orchestrator.worker.gauges import Harmless, Sample, exported, set_gauge
from reports.phase import TrialPhase

SET_SECONDS = 2.0
"""Interval of setting the gauges, within Ray's of exporting them: 10 seconds."""
CLOSE_SECONDS = 5.0
"""Time that the launch waits for the thread at the end, should storage hang."""


class SweepGauges:
    """Thread that sets the gauges of a sweep; as a context manager, ends it at exit.

    Restarts are counted here, since a worker that dies cannot count itself.
    """

    def __init__(self, sweep: str, monitor: Monitor, directory: Path) -> None:
        self._sweep, self._monitor, self._directory = sweep, monitor, directory
        self._attempts: dict[str, tuple[TrialPhase, list[Attempt]]] = {}
        """Attempts by trial, with its phase when they were read."""
        self._counted: Counter[str] = Counter()
        self._restarts = metrics.Counter(
            "colorsweep_restarts",
            "Times that a trial was taken up again in this launch, its process or node being lost",
            ("sweep", "trial", "key"),
        )
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def __enter__(self) -> "SweepGauges":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        harmless = Harmless(self._monitor.view.say)
        while True:
            ending = self._closing.wait(SET_SECONDS)
            with harmless:
                self._set()
            if ending:
                return

    def _set(self) -> None:
        for sample in self._samples():
            set_gauge(sample, {"sweep": self._sweep})
        for key, count in [*self._monitor.restarts.items()]:
            if more := count - self._counted[key]:
                labels = {"sweep": self._sweep, "trial": self._monitor.view.rows[key].name}
                self._restarts.inc(more, exported(labels | {"key": key}))
                self._counted[key] = count

    def _samples(self) -> Iterator[Sample]:
        rows = [*self._monitor.view.rows.items()]
        counts = Counter(row.phase for _, row in rows)
        for phase in TrialPhase:  # a phase that is not set would keep its value for a while
            yield Sample("trials", counts[phase], {"phase": phase.value})
        for key, row in rows:
            read_as, _ = self._attempts.get(key, (None, []))
            changed = row.phase.is_active or row.phase is not read_as
            if changed and not row.config.recolour:  # such a trial takes no steps
                self._attempts[key] = row.phase, attempts(self._directory / key)
        if (share := goodput([of for _, of in self._attempts.values()])) is not None:
            yield Sample("goodput", share)
