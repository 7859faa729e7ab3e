"""Queue from which Ray Tune takes the next trial."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from orchestrator.store.manifest import names_of
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase


class TrialQueue(Searcher):
    """Queue of waiting trials; a recoloured trial comes after its baseline is done.

    If the baseline ends otherwise, its recoloured trials are left: each would train it anew.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        states: Mapping[str, TrialState],
        *,
        task_of: Callable[[Trial], dict[str, Any]],
        room: Callable[[], int],
        stopping: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        """Queue the trials that are to be trained.

        ``task_of`` makes a trial's task for a worker, ``room`` returns how many trials Tune may
        have at once, and ``stopping`` whether no more trials may start. ``say`` is told which
        trials are left.
        """
        super().__init__()
        self._task_of, self._room, self._stopping, self._say = task_of, room, stopping, say
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
        """Make room for the next trial; leave those that recolour one that is not done."""
        ended = self._running.pop(trial_id)
        if result is not None and TrialPhase(result["event"].phase).is_done:
            return
        left = [trial for trial in self._waiting if _recolours(trial, ended)]
        if left:
            self._waiting = [trial for trial in self._waiting if trial not in left]
            if not self._stopping():
                self._say(f"left waiting, as [{ended.name}] has not finished: {names_of(left)}")

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Do nothing: the room changes with the cluster."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return no state: Tune pickles the queue to restore experiments, which is never done."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the queue is rebuilt from the manifest and the trials' directories."""


def _recolours(trial: Trial, baseline: Trial) -> bool:
    return trial.config.recolour and trial.config.without_control().key() == baseline.key
