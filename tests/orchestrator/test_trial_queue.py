"""Which trial is handed to Ray Tune next."""

from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from orchestrator.driver.trial_queue import TrialQueue
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase

DONE = TrialState(step=100, total_steps=100)
KEPT_BACK = TrialState(step=50, total_steps=100, other_pictures=True)


class Line:
    """Trials that wait, and how many have room."""

    def __init__(
        self, trials: list[Trial], *done: int, room: int = 9, left_alone: TrialState = DONE
    ) -> None:
        self.room, self.stopping = room, False
        self.phase = TrialPhase.FINISHED
        self.said: list[str] = []
        states = {t.key: left_alone if n in done else TrialState() for n, t in enumerate(trials)}
        self._names = {trial.key: trial.name for trial in trials}
        self._waiting = TrialQueue(
            trials,
            states,
            task_of=lambda trial: {"key": trial.key},
            room=lambda: self.room,
            stopping=lambda: self.stopping,
            phase_of=lambda key: self.phase,
            say=self.said.append,
        )

    def next(self, name: str) -> Any:
        """Ask for a trial that Tune will know by a name; returns its own, or what is said."""
        config = self._waiting.suggest(name)
        return self._names[config["task"]["key"]] if isinstance(config, dict) else config

    def end(self, name: str, phase: TrialPhase = TrialPhase.FINISHED) -> None:
        self.phase = phase
        self._waiting.on_trial_complete(name)


@pytest.fixture
def trials(tmp_path: Path) -> list[Trial]:
    """A baseline, one that recolours it, and two that are steered."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "settings: {steps: 100}\npoints: [{}, {saturation: 0.75}, {saturation: 0.75, seed: 1}]\n"
    )
    baseline, first, second, *recoloured = expand(read_sweep(file))
    assert [trial.config.recolour for trial in recoloured] == [True]
    return [baseline, *recoloured, first, second]


def test_one_that_recolours_comes_last_and_after_its_baseline(trials: list[Trial]) -> None:
    line = Line(trials)
    baseline, recoloured, *steered = (trial.name for trial in trials)
    assert [line.next(name) for name in "abc"] == [baseline, *steered]
    assert line.next("d") is None
    line.end("b")
    line.end("c")
    assert line.next("d") is None
    line.end("a")
    assert line.next("d") == recoloured
    assert line.next("e") == Searcher.FINISHED


@pytest.mark.parametrize(
    "phase",
    [TrialPhase.STOPPED, TrialPhase.FAILED, TrialPhase.WAITING, TrialPhase.DIED],
)
def test_one_that_recolours_is_left_if_its_baseline_does_not_finish(
    trials: list[Trial], phase: TrialPhase
) -> None:
    line = Line(trials)
    baseline, recoloured, *_ = (trial.name for trial in trials)
    assert line.next("a") == baseline
    line.end("a", phase)
    assert line.said == [f"left waiting: [{recoloured}]; not finished: [{baseline}]"]
    assert [line.next(name) for name in "bc"] == [trial.name for trial in trials[2:]]
    assert line.next("d") == Searcher.FINISHED


def test_of_what_waits_nothing_is_said_when_all_is_stopped(trials: list[Trial]) -> None:
    line = Line(trials)
    line.next("a")
    line.stopping = True
    line.end("a", TrialPhase.STOPPED)
    assert line.said == []
    assert line.next("b") == Searcher.FINISHED


def test_it_does_not_wait_for_a_baseline_that_is_done(trials: list[Trial]) -> None:
    line = Line(trials, 0)
    assert [line.next(name) for name in "abc"] == [trials[n].name for n in (2, 3, 1)]


@pytest.mark.parametrize("state", [DONE, KEPT_BACK], ids=["done", "kept back"])
def test_what_is_done_or_kept_back_is_not_handed_out(
    trials: list[Trial], state: TrialState
) -> None:
    line = Line(trials, 0, 1, 2, left_alone=state)
    assert line.next("a") == trials[3].name
    assert line.next("b") == Searcher.FINISHED


def test_there_are_never_more_than_there_is_room_for(trials: list[Trial]) -> None:
    line = Line(trials, room=1)
    assert line.next("a") == trials[0].name
    assert line.next("b") is None
    line.room = 2
    assert line.next("b") == trials[2].name
    line.end("a")
    assert line.next("c") == trials[3].name


def test_nothing_starts_after_a_request_to_stop(trials: list[Trial]) -> None:
    line = Line(trials)
    line.next("a")
    line.stopping = True
    assert line.next("b") == Searcher.FINISHED
