"""Schedulers of Ray Tune whose decisions persist as prune markers."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.store.events import TrialEvent
from orchestrator.store.paths import PRUNED
from orchestrator.store.prune_marker import PruneMarker, pruning_terms, write_marker
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial

LAST_RUNG = 10**6
"""Last rung of ASHA in multiples of the grace period, later than the end of any trial."""


@dataclass(frozen=True)
class TrialHandle:
    """Trial as the inner scheduler sees it, the same for every Ray trial that trains it."""

    trial_id: str
    """Key of the trial."""


class Pruner(FIFOScheduler):
    """Scheduler that marks trials that fall behind, by the rules of ASHA or median stopping.

    Each evaluation is judged once. Ray continues a marked trial; its worker sees the marker, takes
    a checkpoint and ends.
    """

    def __init__(
        self,
        spec: SweepSpec,
        trials: Sequence[Trial],
        states: Mapping[str, TrialState],
        publish: Callable[[str], None],
    ) -> None:
        """Replay the evaluations of earlier launches to the inner scheduler.

        ``publish`` receives the name of each new marker, relative to the sweep's directory.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        assert spec.objective is not None
        self._spec, self._objective, self._publish = spec, spec.objective, publish
        # Others are compared with baselines; recoloured trials have metrics of another kind.
        recoloured = [trial for trial in trials if trial.config.recolour]
        self._spared = {trial.config.without_control().key() for trial in recoloured}
        self._spared |= {trial.key for trial in recoloured}
        self._inner = _scheduler(spec)
        self._seen: dict[str, int] = {}
        self._behind: set[str] = set()
        for trial in trials:
            if not trial.config.recolour:
                self._replay(trial.key, states[trial.key].ranks(spec.objective))

    def _replay(self, key: str, ranks: Mapping[int, float]) -> None:
        for step, rank in sorted(ranks.items()):
            self._inner.on_trial_add(None, TrialHandle(key))
            # The only call that records a result without a decision.
            self._inner.on_trial_complete(None, TrialHandle(key), {"step": step, "rank": rank})
            self._seen[key] = step

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Pass on the evaluation in a result, if any; return CONTINUE in any case."""
        task, event = trial.config["task"], result["event"]
        evaluation = evaluation_of(event)
        if evaluation is not None and task["key"] not in self._spared:
            self._evaluated(task, *evaluation, ends=event.progress.total_steps)
        decision: str = TrialScheduler.CONTINUE
        return decision

    def _evaluated(
        self, task: Mapping[str, Any], step: int, metrics: Mapping[str, float], ends: int
    ) -> None:
        key = task["key"]
        rank = self._objective.rank(metrics)
        # Steps that a killed worker lost are trained and evaluated again.
        if rank is None or key in self._behind or step <= self._seen.get(key, 0):
            return
        self._seen[key] = step
        self._inner.on_trial_add(None, TrialHandle(key))
        decision = self._inner.on_trial_result(None, TrialHandle(key), {"step": step, "rank": rank})
        if decision == TrialScheduler.STOP:
            self._behind.add(key)
            if step < ends:
                self._mark(task, step, metrics, rank)

    def _mark(
        self, task: Mapping[str, Any], step: int, metrics: Mapping[str, float], rank: float
    ) -> None:
        scheduler, metric = self._spec.scheduler, self._objective.metric
        assert scheduler is not None
        marker = PruneMarker(
            step=step,
            metric=metric,
            value=metrics[f"eval/{metric}"],
            rank=rank,
            scheduler=scheduler.name,
            terms=pruning_terms(self._spec, TrainConfig.model_validate(task["config"])),
        )
        # If the disk is full or the store refuses, this trial and all others go on.
        with suppress(OSError, UserError):
            write_marker(Path(task["directory"]), marker)
            self._publish(f"{task['key']}/{PRUNED}")


def _scheduler(spec: SweepSpec) -> Any:
    objective, scheduler = spec.objective, spec.scheduler
    assert objective is not None
    assert scheduler is not None
    common: dict[str, Any] = {
        "time_attr": "step",
        "metric": "rank",
        "mode": objective.mode,
        "grace_period": scheduler.grace_steps,
    }
    if scheduler.name == "median":
        # A finite value would pause a trial that has too few others to compare with.
        never: Any = math.inf
        return MedianStoppingRule(**common, min_time_slice=never)
    return AsyncHyperBandScheduler(
        **common,
        reduction_factor=scheduler.reduction_factor,
        max_t=scheduler.grace_steps * LAST_RUNG,
        stop_last_trials=False,
    )


def evaluation_of(event: TrialEvent) -> tuple[int, dict[str, float]] | None:
    """Return the step and metrics of an event's newest evaluation; None if there is none."""
    progress = event.progress
    if progress is None or not progress.evaluated_step:
        return None
    return progress.evaluated_step, progress.metrics
