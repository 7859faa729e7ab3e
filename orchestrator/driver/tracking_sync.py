"""Brings the tracking store up to date in the background; training never waits for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gan.errors import UserError
from orchestrator.store.attempts import attempts, goodput, restarts
from orchestrator.store.object_store import first_line
from orchestrator.store.sweep_store import Home
from orchestrator.sweep.trials import Trial
from reports.runs import Status
from reports.store import AWAY
from reports.tracking import SweepTracker

RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class Transfer:
    """A trial's run is to show this."""

    trial: Trial
    index: int
    directory: Path
    status: Status
    reason: str = ""
    refresh: Callable[[], None] | None = None
    """Brings the directory up to date where it mirrors another."""

    @property
    def key(self) -> str:
        """Of the trial."""
        return self.trial.key

    def send(self, tracker: SweepTracker) -> None:
        """Bring the run up to the trial's newest checkpoint."""
        run = tracker.run_of(self.key)
        as_is = (self.trial.name, self.index, self.trial.config)
        if self.status == "FINISHED" and run is not None and run.is_finished_as(*as_is):
            return
        if self.refresh is not None:
            try:
                self.refresh()
            except OSError as error:
                raise UserError(f"storage is away ({first_line(error)})") from None
        history = attempts(self.directory)
        tracker.sync(
            key=self.trial.key,
            name=self.trial.name,
            index=self.index,
            config=self.trial.config,
            directory=self.directory,
            status=self.status,
            reason=self.reason,
            restarts=restarts(history),
            goodput=goodput([history]),
        )


def transfer_of(trial: Trial, index: int, home: Home) -> Transfer:
    """Make the transfer of a trial that begins."""
    refresh = partial(home.refresh, trial.key)
    return Transfer(trial, index, home.directory / trial.key, "RUNNING", refresh=refresh)


@dataclass(frozen=True)
class Removal:
    """A trial is no longer in the sweep."""

    key: str

    def send(self, tracker: SweepTracker) -> None:
        """Say so in its run."""
        tracker.leave_out(self.key)


class Sender:
    """A thread that sends the newest news of each trial, again and again until they arrive."""

    def __init__(self, tracker: SweepTracker, warn: Callable[[str], None]) -> None:
        """Start the thread; ``warn`` is told once when the store is away, and when it is back."""
        self._tracker = tracker
        self._warn = warn
        self._waiting: dict[str, Transfer | Removal] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._unsent: set[str] = set()
        """Trials whose news failed when they were tried last."""
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def put(self, news: Transfer | Removal) -> None:
        """Ask for news to be sent; they replace unsent ones of the same trial."""
        with self._changed:
            self._waiting[news.key] = news
            self._changed.notify_all()

    def close(self) -> int:
        """Send what is waiting and end; returns how many trials could not be sent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        return len(self._waiting)

    def _run(self) -> None:
        failures = 0  # in a row, since the end was asked for
        while (found := self._next()) is not None:
            key, news = found
            try:
                news.send(self._tracker)
            except Exception as error:  # a mistake of ours must not end the training either
                if not self._unsent:
                    self._warn(f"{_what_failed(error)}; training goes on, sent later")
                self._unsent.add(key)
                with self._changed:
                    self._waiting.setdefault(key, news)  # the last in the line
                    if self._closing:
                        failures += 1
                        # One run may be at fault alone; if two fail the store is.
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

    def _next(self) -> tuple[str, Transfer | Removal] | None:
        """Wait for news; None where there are none and the end was asked for."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if not self._waiting:
                return None
            key = next(iter(self._waiting))
            return key, self._waiting.pop(key)


def _what_failed(error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    if isinstance(error, UserError):
        return reason
    if isinstance(error, AWAY):
        return f"tracking store is away ({reason})"
    return f"tracking fails by our mistake ({reason})"
