"""State of a trial, from its directory alone: also while it runs elsewhere, or after a crash."""

import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.errors import UserError
from orchestrator.store.attempts import Attempt, attempts
from orchestrator.store.lock import is_locked
from orchestrator.store.paths import ERROR, trial_directory
from orchestrator.store.prune_marker import PruneMarker, read_marker, terms
from orchestrator.sweep.search_settings import Objective
from orchestrator.sweep.spec import SweepSpec
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase

SILENT_SECONDS = 60.0
"""Without news an attempt elsewhere that never ended is taken for dead."""


@dataclass(frozen=True)
class TrialState:
    """Newest checkpoint, prune marker and attempts of a trial."""

    step: int = 0
    """Of the newest checkpoint."""
    total_steps: int | None = None
    """As the config asks now; None for a length in epochs of a dataset not seen yet."""
    epoch: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    """The newest value of each."""
    marker: PruneMarker | None = None
    history: Sequence[Mapping[str, Any]] = ()
    """Of its metrics."""
    attempts: Sequence[Attempt] = ()
    is_locked: bool | None = None
    """Whether a process trains it; None where no lock tells, as in a mirror."""

    @property
    def phase(self) -> TrialPhase:
        """How the trial is."""
        if self.total_steps is not None and self.step >= self.total_steps:
            return TrialPhase.FINISHED
        if self.marker is not None:
            return TrialPhase.PRUNED
        last = self.attempts[-1] if self.attempts else None
        if last is None or (last.ended is not None and last.ended.is_done):
            return TrialPhase.WAITING  # done, if it was, on other terms than those of now
        if last.ended is not None:
            return last.ended
        running = self.is_locked
        if running is None:
            running = time.time() - last.seen < SILENT_SECONDS
        return TrialPhase.RUNNING if running else TrialPhase.DIED

    @property
    def reason(self) -> str:
        """Why it failed or was pruned."""
        if self.phase is TrialPhase.PRUNED and self.marker is not None:
            return self.marker.reason
        return self.attempts[-1].reason if self.phase is TrialPhase.FAILED else ""

    def ranks(self, objective: Objective) -> dict[int, float]:
        """Return how its evaluations compare with those of others, by step."""
        ranks = objective.ranks(self.history)
        # A worker that was killed may have left no checkpoint of the evaluation that was behind.
        return ranks if self.marker is None else ranks | {self.marker.step: self.marker.rank}


def state_of(trial: Trial, directory: Path) -> TrialState:
    """Look at a trial's newest sound checkpoint, its marker and its attempts."""
    state = TrialState(
        total_steps=trial.config.steps,
        marker=read_marker(directory),
        attempts=attempts(directory),
        is_locked=is_locked(directory),
    )
    if (newest := checkpoint.newest(directory, digests=False)) is None:
        return state
    content = checkpoint.read_trial(newest)
    return replace(
        state,
        step=content["step"],
        total_steps=trial.config.total_steps(content["images"]),
        epoch=content["epoch"],
        metrics=checkpoint.newest_metrics(content["history"]),
        history=content["history"],
    )


def states_of(spec: SweepSpec, trials: Sequence[Trial], runs: Path) -> dict[str, TrialState]:
    """Look at trials of a sweep, by key; a marker that was made on other terms does not count."""
    states = {}
    for trial in trials:
        state = state_of(trial, trial_directory(runs, spec.name, trial.key))
        if state.marker is not None and state.marker.terms != terms(spec, trial.config):
            state = replace(state, marker=None)
        states[trial.key] = state
    return states


def keep_traceback(directory: Path, error: Exception) -> str:
    """Keep the traceback of our own mistake in the trial's directory; returns it in one line."""
    file = directory / ERROR
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {error} ({file})"


def make_writable(directory: Path) -> None:
    """Make a directory, and see that it can be written to.

    Raises:
        UserError: it cannot.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {directory} ({error.strerror})") from None
