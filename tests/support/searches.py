"""What tests of searches and schedulers share."""

from collections.abc import Mapping
from pathlib import Path

from gan.training.progress import Progress
from orchestrator.store.events import TrialEvent
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.search_space import chosen_trial
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase

SETTINGS = "settings: {steps: 100, evaluate_every: 10, saturation: 0.75, penalty_from_step: 0}\n"
OBJECTIVE = "objective: {metric: saturation_error, subject_to: {mae: 0.1}}\n"
SEARCH = """
search:
  trials: 6
  over:
    saturation.weight: {low: 10, high: 1000, log: true}
    batch_size: {choices: [8, 16]}
"""
ASHA = "scheduler: {name: asha, grace_steps: 20, reduction_factor: 2}\n"
MEDIAN = "scheduler: {name: median, grace_steps: 20}\n"


def written(directory: Path, text: str) -> SweepSpec:
    file = directory / "mine.yaml"
    file.write_text(SETTINGS + text)
    return read_sweep(file)


def trained(errors: Mapping[int, float], mae: float = 0.05, total: int = 100) -> TrialState:
    """A trial with these saturation errors by step, and no more."""
    history = [
        {"step": step, "metrics": {"eval/saturation_error": error, "eval/mae": mae}}
        for step, error in errors.items()
    ]
    return TrialState(step=max(errors, default=0), total_steps=total, history=history)


def point(spec: SweepSpec, weight: float, batch_size: int = 8) -> Trial:
    """A trial of the space of SEARCH."""
    return chosen_trial(spec, {"saturation.weight": weight, "batch_size": batch_size})


def grid(directory: Path, scheduler: str, count: int, points: str = "") -> list[Trial]:
    """Trials of a plain grid with a scheduler; their seeds are 0, 1, ..."""
    axes = f"axes: {{seed: {list(range(count))}}}\n"
    return expand(written(directory, OBJECTIVE + scheduler + axes + points))


def evaluated_event(step: int, error: float, mae: float = 0.05, total: int = 100) -> TrialEvent:
    """News of a trial that was evaluated at a step."""
    metrics = {"eval/saturation_error": error, "eval/mae": mae}
    progress = Progress(step, total, 1.0, 10.0, metrics, 0, 1.0, 0.0, evaluated_step=step)
    return TrialEvent("key", TrialPhase.RUNNING, progress)
