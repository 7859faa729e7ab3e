"""State of a trial from its directory alone, even while it runs elsewhere or after a crash."""

import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.errors import UserError
from gan.plain_text import masked
from gan.training.progress import is_final, newest_metrics
from orchestrator.store.attempts import Attempt, attempts, deaths_in_a_row
from orchestrator.store.lineage import read_lineage
from orchestrator.store.lock import is_locked
from orchestrator.store.paths import ERROR, baseline_directory, trial_directory
from orchestrator.store.prune_marker import PruneMarker, pruning_terms, read_marker
from orchestrator.sweep.search_settings import Objective
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial
from reports.lineage import Lineage
from reports.phase import TrialPhase

MAX_DEATHS = 20
"""Number of deaths without a new checkpoint in between that a trial survives."""
SILENT_SECONDS = 60.0
"""Silence after which an attempt without a recorded end counts as dead, if no lock tells."""


@dataclass(frozen=True)
class TrialState:
    """Newest checkpoint, prune marker and attempts of a trial."""

    step: int = 0
    """Step of the newest checkpoint."""
    total_steps: int | None = None
    """Current length; None if it is in epochs of a dataset not seen yet."""
    is_evaluated: bool = True
    """Whether the newest checkpoint has a final evaluation: not if it was stopped, or a longer
    training stopped there, and not of a recoloured trial whose baseline is further."""
    epoch: float = 0.0
    seconds: float = 0.0
    """Time of the steps that counted, with their evaluations."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Newest value of each metric."""
    dataset_digest: str = ""
    """Digest of the pictures that it was trained on (``gan.data.datasets.Dataset``)."""
    lineage: Lineage | None = None
    """Origin, if it was taken over from another sweep."""
    marker: PruneMarker | None = None
    history: Sequence[Mapping[str, Any]] = ()
    """History of the metrics."""
    attempts: Sequence[Attempt] = ()
    is_locked: bool | None = None
    """Whether a process trains the trial; None if no lock tells, as in a mirror."""
    is_held: bool = False
    """Whether a launch runs the sweep, which restarts trials that die."""
    other_pictures: bool = False
    """Whether its dataset has other pictures now, as ``orchestrator.driver.pictures`` found."""

    @property
    def phase(self) -> TrialPhase:
        """Phase, from the newest checkpoint, the marker, the last attempt and the lock in turn."""
        at_end = self.total_steps is not None and self.step >= self.total_steps
        if at_end and self.is_evaluated:
            return TrialPhase.FINISHED
        if self.marker is not None:
            return TrialPhase.PRUNED
        last = self.attempts[-1] if self.attempts else None
        if last is None or (last.ended is not None and last.ended.is_done):
            return TrialPhase.WAITING  # an earlier end was on other terms
        if last.ended is not None:
            return last.ended
        running = self.is_locked
        if running is None:
            running = time.time() - last.seen < SILENT_SECONDS
        if running:
            return TrialPhase.RUNNING
        again = self.is_held and deaths_in_a_row(self.attempts) <= MAX_DEATHS
        return TrialPhase.RESTARTING if again else TrialPhase.DIED

    @property
    def was_pruned(self) -> bool:
        """Whether it was pruned on other terms than those of the file now, and is not done."""
        last = self.attempts[-1].ended if self.attempts else None
        return last is TrialPhase.PRUNED and not self.phase.is_done

    @property
    def is_longer_than_asked(self) -> bool:
        """Whether it has more steps than its config asks for now."""
        return self.total_steps is not None and self.step > self.total_steps

    @property
    def is_to_train(self) -> bool:
        """Whether a launch trains it: it is not done, and its pictures are still there."""
        return not (self.phase.is_done or self.other_pictures)

    @property
    def taken_over_from(self) -> str | None:
        """Sweep that it was taken over from, and the step up to which it was, if not to its end."""
        return None if self.lineage is None else self.lineage.at(self.step)

    @property
    def reason(self) -> str:
        """Reason why the trial failed or was pruned."""
        if self.phase is TrialPhase.PRUNED and self.marker is not None:
            return self.marker.reason
        return self.attempts[-1].reason if self.phase is TrialPhase.FAILED else ""

    def ranks(self, objective: Objective) -> dict[int, float]:
        """Return the ranks of the trial's evaluations by step."""
        ranks = objective.ranks(self.history)
        # A killed worker may have left no checkpoint of the evaluation that fell behind.
        return ranks if self.marker is None else ranks | {self.marker.step: self.marker.rank}


def state_of(
    trial: Trial, directory: Path, *, generator: bool = False, is_held: bool = False
) -> TrialState:
    """Read a trial's newest sound checkpoint, marker and attempts.

    With ``generator`` every byte of the generator is verified, too: 67 MB at 64 base channels.
    """
    state = TrialState(
        total_steps=trial.config.steps,
        marker=read_marker(directory),
        attempts=attempts(directory),
        is_locked=is_locked(directory),
        is_held=is_held,
    )
    names = (checkpoint.TRIAL, *(checkpoint.GENERATOR, checkpoint.CONFIG) * generator)
    if (newest := checkpoint.newest(directory, *names)) is None:
        return state
    state = at_checkpoint(state, trial, newest.trial, read_lineage(directory, newest.trial))
    if state.phase is TrialPhase.FINISHED and _is_behind(directory, trial, state.step):
        return replace(state, is_evaluated=False)
    return state


def _is_behind(directory: Path, trial: Trial, step: int) -> bool:
    """Whether a trial is a recoloured one at a step that its baseline has left behind."""
    if (beside := baseline_directory(directory, trial.config)) is None:
        return False
    baseline = checkpoint.newest(beside, checkpoint.TRIAL)
    return baseline is not None and baseline.trial["step"] > step


def at_checkpoint(
    state: TrialState, trial: Trial, content: Mapping[str, Any], lineage: Lineage | None
) -> TrialState:
    """Return the state of a trial with a checkpoint whose trial.json has this content."""
    return replace(
        state,
        step=content["step"],
        dataset_digest=content["dataset_digest"],
        total_steps=trial.config.total_steps(content["images"]),
        is_evaluated=is_final(content),
        epoch=content["epoch"],
        seconds=content["seconds"],
        metrics=newest_metrics(content["history"]),
        history=content["history"],
        lineage=lineage,
    )


def states_of(
    spec: SweepSpec, trials: Sequence[Trial], runs: Path, *, generators: bool = True
) -> dict[str, TrialState]:
    """Return the states of a sweep's trials by key, without markers made on other terms.

    By default the generators are verified: a launch leaves a finished trial alone.
    """
    states = {}
    for trial in trials:
        directory = trial_directory(runs, spec.name, trial.key)
        state = state_of(trial, directory, generator=generators)
        if state.marker is not None and state.marker.terms != pruning_terms(spec, trial.config):
            state = replace(state, marker=None)
        states[trial.key] = state
    return states


def keep_traceback(directory: Path, error: Exception) -> str:
    """Save the traceback of an internal error in the trial's directory; return one line."""
    file = directory / ERROR
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(masked("".join(traceback.format_exception(error))))
    return f"{type(error).__name__}: {error} ({file})"


def require_writable(directory: Path) -> None:
    """Create a directory and check that it can be written to.

    Raises:
        UserError: it cannot.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {directory} ({error.strerror})") from None
