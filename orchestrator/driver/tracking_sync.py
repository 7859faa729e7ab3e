"""Background sync of the tracking store; training never waits for it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from gan import checkpoint
from gan.errors import UserError
from gan.plain_text import first_line
from orchestrator.store.attempts import attempts, goodput, restarts
from orchestrator.store.events import NodeSample
from orchestrator.store.lineage import lineage_of
from orchestrator.store.sweep_store import SweepStore
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase
from reports.store import STORE_ERRORS
from reports.tracking import RunUpdate, SweepTracker

log = logging.getLogger(__name__)
RETRY_SECONDS = 10.0

Send = Callable[[SweepTracker], None]
"""Function that brings one trial's run up to date."""


def send_samples(key: str, samples: deque[NodeSample], tracker: SweepTracker) -> None:
    """Send samples of a trial's node, and remove those that have arrived.

    Raises:
        One of STORE_ERRORS: the tracking store fails.
    """
    while samples:
        sent = [*samples]  # the monitor may append meanwhile
        tracker.log_samples(key, [asdict(sample) for sample in sent])
        for _ in sent:
            samples.popleft()


def send_trial(
    trial: Trial,
    run_name: str,
    index: int,
    store: SweepStore,
    phase: TrialPhase,
    reason: str,
    tracker: SweepTracker,
) -> None:
    """Bring a trial's run, named ``run_name``, up to its newest checkpoint.

    Raises:
        UserError: the sweep's store fails.
        One of STORE_ERRORS: the tracking store fails.
    """
    finished = phase is TrialPhase.FINISHED
    directory = store.directory / trial.key
    run = tracker.run_of(trial.key)
    lacks_generator = finished
    if finished and run is not None:
        newest = checkpoint.newest(directory, checkpoint.TRIAL)
        is_of_run = newest is None or run.is_of(newest.trial)
        if is_of_run and run.is_finished_as(trial.name, run_name, index, trial.config):
            return
        lacks_generator = newest is None or not run.has_generator_of(newest.trial)
    try:
        store.refresh(trial.key, generator=lacks_generator)
    except OSError as error:
        raise UserError(f"storage is away ({first_line(error)})") from None
    log = attempts(directory)
    tracker.sync(
        RunUpdate(
            key=trial.key,
            name=trial.name,
            run_name=run_name,
            index=index,
            config=trial.config,
            directory=directory,
            phase=phase,
            reason=reason,
            restarts=restarts(log),
            goodput=goodput([log]),
            lineage=lineage_of(directory),
        )
    )


class TrackingSync:
    """Thread that sends the newest update of each trial, and retries until it arrives."""

    def __init__(self, tracker: SweepTracker, warn: Callable[[str], None]) -> None:
        """Start the thread; ``warn`` is called once if the store goes away, and when it is back."""
        self._tracker = tracker
        self._warn = warn
        self._waiting: dict[str, Send] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._unsent: set[str] = set()
        """Trials whose latest update failed."""
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def put(self, key: str, send: Send) -> None:
        """Queue an update of a trial, in place of an unsent one."""
        with self._changed:
            self._waiting[key] = send
            self._changed.notify_all()

    def close(self) -> int:
        """Send the queued updates and end; return how many trials could not be sent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        return len(self._waiting)

    def _run(self) -> None:
        failures = 0  # in a row, since ``close``
        while (found := self._next()) is not None:
            key, send = found
            began = time.monotonic()
            try:
                send(self._tracker)
                log.debug("%s: sent to the tracking store, %.2f s", key, time.monotonic() - began)
            except Exception as error:  # an internal error must not end the training either
                if not self._unsent:
                    self._warn(f"{_in_words(error)}; training goes on, sent later")
                self._unsent.add(key)
                with self._changed:
                    self._waiting.setdefault(key, send)  # retried after all others
                    if self._closing:
                        failures += 1
                        # One failure may be the run's fault; two in a row are the store's.
                        if failures == 2 or len(self._waiting) == 1:
                            return
                    else:
                        self._changed.wait(RETRY_SECONDS)
            else:
                failures = 0
                if self._unsent:
                    self._unsent.discard(key)
                    if not self._unsent:
                        self._warn("tracking store is back")

    def _next(self) -> tuple[str, Send] | None:
        """Wait for an update; return None when the queue is empty and closing."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if not self._waiting:
                return None
            key = next(iter(self._waiting))
            return key, self._waiting.pop(key)


def _in_words(error: Exception) -> str:
    reason = first_line(error)
    if isinstance(error, UserError):
        return reason
    if isinstance(error, STORE_ERRORS):
        return f"tracking store is away ({reason})"
    return f"tracking fails by our mistake ({reason})"
