"""Hears of every trial; tells the live view and the tracking store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orchestrator.driver.live_view import Progress, State
from orchestrator.driver.tracking_sync import Sender, Transfer, transfer_of
from orchestrator.store.sweep_store import Home
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial
from reports.runs import Status

STATUS: dict[State, Status] = {
    "starting": "RUNNING",
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "pruned": "KILLED",
}
"""A run's status in MLflow by the trial's state."""


class Watch:
    """What is known of trials that may be running, passed on as it changes."""

    def __init__(self, transfers: Sequence[Transfer], progress: Progress, sender: Sender) -> None:
        """Watch the trials that the transfers are of."""
        self.progress = progress
        self._sender = sender
        self._transfers = {transfer.trial.key: transfer for transfer in transfers}
        self._durable: dict[str, int] = {}

    def add(self, trial: Trial, home: Home) -> None:
        """Watch one more trial, the last of the sweep."""
        self._transfers[trial.key] = transfer_of(trial, len(self._transfers), home)
        self.progress.add(trial)

    def starts_from(self, key: str, state: TrialState) -> None:
        """Take note of what earlier launches have done, and send what the store lacks of it."""
        row = self.progress.rows[key]
        row.step, row.total_steps = state.step, state.total_steps
        row.epoch, row.metrics = state.epoch, state.metrics
        row.state = "finished" if state.finished else "pruned" if state.mark else "waiting"
        if state.finished:
            self._sender.put(replace(self._transfers[key], status="FINISHED"))
        elif state.mark:
            reason = state.mark.reason
            self._sender.put(replace(self._transfers[key], status="KILLED", reason=reason))

    def heard(self, key: str, state: State, reason: str = "", **changes: Any) -> None:
        """Take note of a trial's state, and of its progress (fields of ``gan`` Progress)."""
        durable = changes.pop("durable_step", 0)
        changes.pop("evaluated_step", None)  # for schedulers
        news = state != self.progress.rows[key].state or durable > self._durable.get(key, 0)
        self._durable[key] = max(durable, self._durable.get(key, 0))
        self.progress.update(key, state, reason=reason, **changes)
        if news and state in STATUS:
            self._sender.put(replace(self._transfers[key], status=STATUS[state], reason=reason))
