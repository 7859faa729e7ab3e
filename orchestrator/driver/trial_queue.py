"""Queue from which Ray Tune takes the next trial."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial


class TrialQueue(Searcher):
    """Queue of waiting trials; a recoloured trial comes after its baseline has ended."""

    def __init__(
        self,
        trials: Sequence[Trial],
        states: Mapping[str, TrialState],
        *,
        task_of: Callable[[Trial], dict[str, Any]],
        room: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        """Queue the trials that are to be trained.

        ``task_of`` makes a trial's task for a worker, ``room`` returns how many trials Tune may
        have at once, and ``stopping`` whether no more trials may start.
        """
        super().__init__()
        self._task_of, self._room, self._stopping = task_of, room, stopping
        todo = [trial for trial in trials if states[trial.key].is_to_train]
        self._waiting = sorted(todo, key=lambda trial: trial.config.recolour)
        self._running: dict[str, Trial] = {}
        """Running trials by Tune's ids."""

    def suggest(self, trial_id: str) -> Any:
        """Return the config of the next trial; None if there is none yet or no room."""
        if self._stopping():
            return Searcher.FINISHED
        if len(self._running) >= self._room():
            return None
        if (trial := self._next(trial_id)) is None:
            return None if self._waiting else Searcher.FINISHED
        self._running[trial_id] = trial
        return {"task": self._task_of(trial)}

    def _next(self, trial_id: str) -> Trial | None:
        unfinished = {trial.key for trial in (*self._waiting, *self._running.values())}
        for trial in self._waiting:
            if not trial.config.recolour or trial.config.without_control().key() not in unfinished:
                self._waiting.remove(trial)
                return trial
        return None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Do nothing: the order does not depend on results."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Make room for the next trial."""
        del self._running[trial_id]

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Do nothing: the room changes with the cluster."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return no state: Tune pickles the queue to restore experiments, which is never done."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the queue is rebuilt from the manifest and the trials' directories."""
