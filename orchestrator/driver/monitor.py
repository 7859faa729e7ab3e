"""Monitor of trials: every event goes through it, to the live view and the tracking store."""

from collections.abc import Sequence
from functools import partial

from orchestrator.driver.live_view import LiveView
from orchestrator.driver.tracking_sync import TrackingSync, send_trial
from orchestrator.store.events import TrialEvent
from orchestrator.store.sweep_store import SweepStore
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase


class Monitor:
    """Trials of a launch, followed by their events."""

    def __init__(
        self, trials: Sequence[Trial], store: SweepStore, view: LiveView, tracking: TrackingSync
    ) -> None:
        self.view = view
        self._store, self._tracking = store, tracking
        self._trials: dict[str, tuple[Trial, int]] = {}
        """With their positions in the sweep."""
        self._durable: dict[str, int] = {}
        for trial in trials:
            self.add(trial)

    def add(self, trial: Trial, index: int | None = None) -> None:
        """Follow one more trial: the last of the sweep, or that of some position in it."""
        self._trials[trial.key] = trial, len(self._trials) if index is None else index
        self.view.add(trial)

    def starts_from(self, key: str, state: TrialState) -> None:
        """Show what earlier launches have done; send it where the trial is done."""
        row = self.view.rows[key]
        row.phase, row.step, row.total_steps = state.phase, state.step, state.total_steps
        row.epoch, row.metrics = state.epoch, state.metrics
        if state.phase.is_done:
            self._send(key, state.phase, state.reason)

    def on_event(self, event: TrialEvent) -> None:
        """Pass an event on; to the tracking store only a new phase or checkpoint."""
        before = self._durable.get(event.key, 0)
        durable = event.progress.durable_step if event.progress is not None else 0
        news = event.phase is not self.view.rows[event.key].phase or durable > before
        self._durable[event.key] = max(durable, before)
        self.view.update(event)
        if news and event.phase is not TrialPhase.RESTARTING:
            self._send(event.key, event.phase, event.reason)

    def correct(self, key: str, phase: TrialPhase) -> None:
        """Send the phase of a trial whose run says another."""
        self._send(key, phase, "")

    def _send(self, key: str, phase: TrialPhase, reason: str) -> None:
        trial, index = self._trials[key]
        self._tracking.put(key, partial(send_trial, trial, index, self._store, phase, reason))
