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
        phase_of: Callable[[str], TrialPhase],
        say: Callable[[str], None],
    ) -> None:
        """Queue the trials that are to be trained.

        ``task_of`` makes a trial's task for a worker, ``room`` returns how many trials Tune may
        have at once, ``stopping`` whether no more trials may start, and ``phase_of`` the phase of
        an ended trial by its key. ``say`` is told which trials are left.
        """
        super().__init__()
        self._task_of, self._room, self._stopping = task_of, room, stopping
        self._phase_of, self._say = phase_of, say
        todo = [trial for trial in trials if states[trial.key].is_to_train]
        self._waiting = sorted(todo, key=lambda trial: trial.config.recolour)
        self._running: dict[str, Trial] = {}
        """Running trials by Tune's ids."""
        self._baselines = {
            t.key: t.config.without_control().key() for t in todo if t.config.recolour
        }
        """Keys of the baselines of recoloured trials, by their own."""
        self._unfinished: list[Trial] = []
        """Baselines that have ended otherwise."""
        self._left: list[Trial] = []

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
            if self._baselines.get(trial.key) not in unfinished:
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
        if self._stopping() or self._phase_of(ended.key).is_done:
            return
        left = [t for t in self._waiting if self._baselines.get(t.key) == ended.key]
        if left:
            self._waiting = [t for t in self._waiting if self._baselines.get(t.key) != ended.key]
            self._unfinished.append(ended)
            self._left += left
            self._say(
                f"left waiting: {names_of(self._left)}; not finished: {names_of(self._unfinished)}"
            )

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Do nothing: the room changes with the cluster."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """Return no state: Tune pickles the queue to restore experiments, which is never done."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the queue is rebuilt from the manifest and the trials' directories."""
