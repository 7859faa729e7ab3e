"""Trial queue of a search: waiting trials first, then those that Optuna suggests."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from orchestrator.driver.scheduler import evaluation_of
from orchestrator.driver.trial_queue import TrialQueue
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.search_settings import Dimension, number_type
from orchestrator.sweep.search_space import choice_of, chosen_trial, drawn
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase

METRIC = "rank"
TRIES = 100
"""Largest number of suggestions by Optuna for a new trial, before random draws."""
DRAWS = 10_000


class SearchQueue(TrialQueue):
    """Queue of trials chosen by Optuna's TPE sampler from the evaluations of others.

    Optuna keeps nothing between launches, so it receives the stored evaluations at the start, also
    those of the file's own trials that lie in the search space. Waiting trials go first, and Optuna
    treats them as if it had just suggested them.
    """

    def __init__(
        self,
        spec: SweepSpec,
        trials: Sequence[Trial],
        states: Mapping[str, TrialState],
        to_suggest: int,
        *,
        task_of: Callable[[Trial], dict[str, Any]],
        add: Callable[[Trial], None],
        room: Callable[[], int],
        stopping: Callable[[], bool],
        phase_of: Callable[[str], TrialPhase],
        say: Callable[[str], None],
    ) -> None:
        """Replay the evaluations of earlier launches to Optuna.

        ``trials`` include those that the search has chosen so far, and ``to_suggest`` more are to
        be chosen; ``add`` stores a new trial before it is handed out. The rest is as in
        ``TrialQueue``.
        """
        super().__init__(
            trials,
            states,
            task_of=task_of,
            room=room,
            stopping=stopping,
            phase_of=phase_of,
            say=say,
        )
        assert spec.objective is not None
        self._spec, self._objective = spec, spec.objective
        self._to_suggest = to_suggest
        self._add = add
        self._known = {trial.key for trial in trials}
        self._ranks = {trial.key: states[trial.key].ranks(self._objective) for trial in trials}
        self._choices = {t.key: c for t in trials if (c := choice_of(spec, t)) is not None}
        # Each launch needs another stream: the same one would suggest known trials.
        seed = int(spec.settings.get("seed", 0)) + len(trials)
        self._random = random.Random(seed)
        first = [self._choices[t.key] for t in self._waiting if t.key in self._choices]
        self._optuna = _optuna(spec, seed, first)
        self._asked: dict[str, str] = {}
        """Optuna's ids of the running trials that it suggested, by Tune's ids."""
        self._reported: dict[str, int] = {}
        for trial in trials:
            if states[trial.key].phase.is_done:
                self._tell(trial, states[trial.key].phase)

    def _next(self, trial_id: str) -> Trial | None:
        if (trial := super()._next(trial_id)) is not None:
            if trial.key in self._choices:
                # Optuna suggests the waiting trials in the same order.
                self._ask(trial_id, trial_id)
                for rank in in_order(self._ranks[trial.key]):
                    self._report(trial_id, rank)
        elif self._to_suggest > 0:
            if (trial := self._new(trial_id)) is None:
                self._to_suggest = 0  # the search space is exhausted
            else:
                self._add(trial)
                self._to_suggest -= 1
        return trial

    def _ask(self, trial_id: str, name: str) -> dict[str, Any]:
        self._asked[trial_id] = name
        self._reported[name] = 0
        return self._optuna.suggest(name) or {}

    def _new(self, trial_id: str) -> Trial | None:
        """Choose a trial that does not exist yet; return None if none is found."""
        for number in range(TRIES):
            trial = chosen_trial(self._spec, self._ask(trial_id, f"{trial_id}-{number}"))
            if self._is_new(trial):
                return trial
            self._optuna.on_trial_complete(self._asked.pop(trial_id), error=True)
        for _ in range(DRAWS):  # a space without ranges may have few left
            trial = chosen_trial(self._spec, drawn(self._spec, self._random))
            if self._is_new(trial):
                return trial
        return None

    def _is_new(self, trial: Trial) -> bool:
        if trial.key in self._known:
            return False
        self._known.add(trial.key)
        self._ranks[trial.key] = {}
        self._choices[trial.key] = choice_of(self._spec, trial) or {}
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an evaluation to Optuna, once."""
        evaluation = evaluation_of(result["event"])
        ranks = self._ranks[self._running[trial_id].key]
        if evaluation is None or evaluation[0] <= max(ranks, default=0):
            return
        step, metrics = evaluation
        if (rank := self._objective.rank(metrics)) is not None:
            ranks[step] = rank
            self._report(trial_id, rank)

    def _report(self, trial_id: str, rank: float) -> None:
        """Report the next evaluation of a running trial to Optuna."""
        if (name := self._asked.get(trial_id)) is not None:
            number = self._reported[name]
            self._reported[name] = number + 1
            self._optuna.on_trial_result(name, {METRIC: rank, "training_iteration": number})

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Report the end of a trial to Optuna, unless the trial was stopped and will go on."""
        trial = self._running[trial_id]
        super().on_trial_complete(trial_id, result, error)
        phase = TrialPhase.FAILED if error or not result else TrialPhase(result["event"].phase)
        if phase.is_done or phase.is_failure:
            self._tell(trial, phase, self._asked.pop(trial_id, None))

    def _tell(self, trial: Trial, phase: TrialPhase, name: str | None = None) -> None:
        """Report an ended trial to Optuna; ``name`` is Optuna's id if it suggested the trial."""
        if trial.key not in self._choices:
            return
        ranks = in_order(self._ranks[trial.key])
        failed = phase.is_failure or not ranks
        last: Any = None if failed else ranks[-1]
        if name is None:
            self._optuna.add_evaluated_point(
                self._choices[trial.key],
                last,
                error=failed,
                pruned=phase is TrialPhase.PRUNED,
                intermediate_values=ranks,
            )
        elif failed:
            self._optuna.on_trial_complete(name, error=True)
        else:
            # Optuna takes a trial without a result as pruned.
            self._optuna.on_trial_complete(
                name, {METRIC: last} if phase is TrialPhase.FINISHED else None
            )


def in_order(ranks: Mapping[int, float]) -> list[float]:
    """Return a trial's ranks in the order of its evaluations."""
    return [rank for _, rank in sorted(ranks.items())]


def _optuna(spec: SweepSpec, seed: int, first: list[dict[str, Any]]) -> OptunaSearch:
    assert spec.search is not None
    assert spec.objective is not None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return OptunaSearch(
        space={name: _distribution(name, each) for name, each in spec.search.over.items()},
        metric=METRIC,
        mode=spec.objective.mode,
        points_to_evaluate=first,
        # constant_liar keeps parallel trials away from each other.
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
    )


def _distribution(name: str, dimension: Dimension) -> optuna.distributions.BaseDistribution:
    if dimension.choices is not None:
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    low, high = dimension.ends()
    if number_type(name) is int:
        return optuna.distributions.IntDistribution(low, high, log=dimension.log)
    return optuna.distributions.FloatDistribution(low, high, log=dimension.log)
