"""How far each trial is, from its directory alone."""

import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.store.prune_marker import Mark, read_mark, terms
from orchestrator.sweep.search_settings import Objective
from orchestrator.sweep.spec import SweepSpec
from orchestrator.sweep.trials import Trial


@dataclass(frozen=True)
class Places:
    """Where everything is that a command reads and writes."""

    runs: Path
    storage: str | None
    """URI of the object store that trials' checkpoints live in; None where that is ``runs``."""


@dataclass(frozen=True)
class TrialState:
    """What a trial's newest checkpoint says."""

    step: int = 0
    total_steps: int | None = None
    """As the config asks now; None for a length in epochs of a dataset not seen yet."""
    epoch: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    """The newest value of each."""
    mark: Mark | None = None
    """Where a scheduler stopped it."""
    history: Sequence[Mapping[str, Any]] = ()
    """Of its metrics."""

    def ranks(self, objective: Objective) -> dict[int, float]:
        """Return how its evaluations compare with those of others, by step."""
        ranks = objective.ranks(self.history)
        # A worker that was killed may have left no checkpoint of the evaluation that was behind.
        return ranks if self.mark is None else ranks | {self.mark.step: self.mark.rank}

    @property
    def done(self) -> bool:
        """Whether there is nothing to do for it."""
        return self.finished or self.mark is not None

    @property
    def finished(self) -> bool:
        """Whether the trial has all the steps that are asked of it."""
        return self.total_steps is not None and self.step >= self.total_steps


def sweep_directory(runs: Path, sweep: str) -> Path:
    """Return where a sweep's trials are."""
    return runs.absolute() / "sweeps" / sweep


def trial_directory(runs: Path, sweep: str, trial: Trial) -> Path:
    """Return where a trial's checkpoints and samples are."""
    return sweep_directory(runs, sweep) / trial.key


def stop_file(directory: Path) -> Path:
    """Return what asks a sweep, or a trial, to stop by existing in its directory."""
    return directory / "stop"


def stop_object(sweep: str, key: str = "") -> str:
    """Return what asks for the same in an object store: beside the sweep's record."""
    return f"{sweep}/stop-{key}" if key else f"{sweep}/stop"


def baseline_directory(directory: Path, config: TrainConfig) -> Path | None:
    """Return where a recoloured trial's baseline is, beside its own directory."""
    return directory.parent / config.without_control().key() if config.recolour else None


def keep_traceback(directory: Path, error: Exception) -> str:
    """Keep what our own mistake left in the trial's directory; returns the reason in one line."""
    file = directory / "error.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {error} ({file})"


def state_of(trial: Trial, directory: Path) -> TrialState:
    """Look at a trial's newest sound checkpoint."""
    newest = checkpoint.newest(directory, digests=False)
    mark = read_mark(directory)
    if newest is None:
        return TrialState(total_steps=trial.config.steps, mark=mark)
    content = checkpoint.read_trial(newest)
    return TrialState(
        content["step"],
        trial.config.total_steps(content["images"]),
        content["epoch"],
        checkpoint.newest_metrics(content["history"]),
        mark,
        content["history"],
    )


def states_of(spec: SweepSpec, trials: Sequence[Trial], runs: Path) -> dict[str, TrialState]:
    """Look at trials of a sweep, by key; a mark that was made on other terms does not count."""
    states = {}
    for trial in trials:
        state = state_of(trial, trial_directory(runs, spec.name, trial))
        if state.mark is not None and state.mark.terms != terms(spec, trial.config):
            state = replace(state, mark=None)
        states[trial.key] = state
    return states


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
