"""Monitor of trials, which forwards every event to the live view and the tracking store."""

import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from orchestrator.driver.live_view import LiveView
from orchestrator.driver.notifier import Notifier
from orchestrator.driver.tracking_sync import TrackingSync, send_samples, send_trial
from orchestrator.store.events import NodeSample, TrialEvent
from orchestrator.store.local_sweep import LOOK_SECONDS, PATIENCE
from orchestrator.store.object_store import answer_of
from orchestrator.store.sweep_store import SweepStore
from orchestrator.store.trial_state import TrialState, state_of
from orchestrator.sweep.run_names import run_names
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase
from reports.tracking import SweepTracker

log = logging.getLogger(__name__)


class Monitor:
    """Trials of a launch, followed by their events."""

    def __init__(
        self,
        trials: Sequence[Trial],
        store: SweepStore,
        view: LiveView,
        tracking: TrackingSync,
        notifier: Notifier | None = None,
        left_out: Sequence[Trial] = (),
    ) -> None:
        """Follow trials; runs of those that the file ``left_out`` stand beside theirs."""
        self.view, self._notifier, self._left_out = view, notifier, left_out
        self._store, self._tracking = store, tracking
        self._trials: dict[str, tuple[Trial, int]] = {}
        """Trials by key, with their positions in the sweep."""
        self._samples: dict[str, deque[NodeSample]] = {}
        """Samples of nodes that the tracking store has not got yet."""
        self._run_names: dict[str, str] = {}
        self._sent: dict[str, tuple[TrialPhase, str]] = {}
        """Phase and reason that the tracking store was last told of each trial."""
        self._before: dict[str, TrialState] = {}
        """States left by earlier launches."""
        self._durable: dict[str, int] = {}
        self.restarts: Counter[str] = Counter()
        """Number of restarts in this launch, by trial."""
        self._waits = ""
        self._left: set[str] = set()
        """Keys of trials whose processes are gone; a Tune left behind may still tell of them."""
        for trial in trials:
            self.add(trial)

    def add(self, trial: Trial, index: int | None = None) -> None:
        """Follow another trial, at this position in the sweep or at its end."""
        self._trials[trial.key] = trial, len(self._trials) if index is None else index
        self.view.add(trial)

    def starts_from(self, key: str, state: TrialState) -> None:
        """Show the state left by earlier launches; send it to tracking if the trial is done."""
        self._before[key] = state
        self._show(key, state)
        if state.phase.is_done:
            self._send(key, state.phase, state.reason)

    def _show(self, key: str, state: TrialState) -> None:
        row = self.view.rows[key]
        row.phase, row.step, row.total_steps = state.phase, state.step, state.total_steps
        row.epoch, row.metrics, row.reason = state.epoch, state.metrics, state.reason

    def on_event(self, event: TrialEvent) -> None:
        """Forward an event; the tracking store gets only new phases and checkpoints.

        A trial has finished only if the launch sees its generator, too.
        """
        if event.key in self._left:
            return
        if event.node is not None:
            self._samples.setdefault(event.key, deque()).append(event.node)
        if event.phase is TrialPhase.WAITING and (left := self._before.get(event.key)):
            # With an object store, a worker does not see the attempts of earlier launches.
            event = replace(event, phase=left.phase, reason=left.reason)
        if event.phase is TrialPhase.FINISHED and (reason := self._not_finished(event.key)):
            event = replace(event, phase=TrialPhase.FAILED, reason=reason)
        if event.phase is TrialPhase.RESTARTING:
            self.restarts[event.key] += 1
        before = self._durable.get(event.key, 0)
        durable = event.progress.durable_step if event.progress is not None else 0
        news = event.phase is not self.view.rows[event.key].phase or durable > before
        if news:
            log.debug("%s: %s, step %d is durable", event.key, event.phase, max(durable, before))
        self._durable[event.key] = max(durable, before)
        self.view.update(event)
        if event.phase.is_failure and self._notifier is not None:
            self._notifier.failed(self.view.rows[event.key].name, event.reason)
        if news and event.phase is not TrialPhase.RESTARTING:
            self._send(event.key, event.phase, event.reason)

    def _not_finished(self, key: str) -> str:
        """Return why a trial has not finished, though its worker says so; empty if it has."""
        trial, _ = self._trials[key]
        directory, until = self._store.directory / key, time.monotonic() + PATIENCE
        while True:
            reason = f"{directory}: no sound checkpoint of the last step has arrived; launch again"
            try:
                self._store.refresh(key)
            except OSError as error:
                reason = f"{self._store.shown}: {answer_of(error)}; launch again"
            if state_of(trial, directory, generator=True).phase is TrialPhase.FINISHED:
                return ""
            if time.monotonic() >= until:
                return reason
            time.sleep(LOOK_SECONDS)

    @property
    def is_training(self) -> bool:
        """Whether a worker has told of a training that has not ended."""
        return any(row.phase is TrialPhase.RUNNING for row in [*self.view.rows.values()])

    @property
    def has_worker(self) -> bool:
        """Whether a trial has a worker, which may be about to train."""
        has = (TrialPhase.STARTING, TrialPhase.RUNNING)
        return any(row.phase in has for row in [*self.view.rows.values()])

    def waits(self, line: str) -> None:
        """Show, and notify of, what the launch waits for; an empty line takes that back."""
        if not line:
            self.view.take_back(self._waits)
            return
        self._waits = line
        self.view.say(line)
        if self._notifier is not None:
            self._notifier.waiting(line)

    def end_as(self, key: str, state: TrialState) -> None:
        """Show a trial whose process is gone without a word."""
        phase = TrialPhase.DIED if state.phase.is_active else state.phase
        shown = self.view.rows[key].phase
        self._show(key, state)  # the last progress that it told of may be older
        self.view.rows[key].phase = shown
        self._notifier = None  # the end of the launch is told, with its reason
        self.on_event(TrialEvent(key, phase, reason=state.reason))
        self._left.add(key)

    def correct(self, key: str, state: TrialState) -> None:
        """Send the phase of a trial whose run shows an active one, though nothing trains it."""
        self._send(key, TrialPhase.DIED if state.phase.is_active else state.phase, state.reason)

    def _send(self, key: str, phase: TrialPhase, reason: str) -> None:
        trial, index = self._trials[key]
        self._sent[key] = phase, reason
        if not self._run_names.keys() >= self._trials.keys():  # a search has chosen more
            before = self._run_names
            followed = [trial for trial, _ in self._trials.values()]
            self._run_names = run_names(followed, self._left_out)
            for other in before.keys() & (self._sent.keys() - {key}):
                if before[other] != self._run_names[other]:
                    self._send(other, *self._sent[other])
        name = self._run_names[key]
        samples = self._samples.setdefault(key, deque())

        def send(tracker: SweepTracker) -> None:
            send_trial(trial, name, index, self._store, phase, reason, tracker)
            send_samples(key, samples, tracker)

        self._tracking.put(key, send)
