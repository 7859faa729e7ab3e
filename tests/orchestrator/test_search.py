"""What a search hands to Ray Tune, and what Optuna is told; Optuna itself is real."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from ray.tune.search import Searcher

from orchestrator.driver.search import SearchQueue
from orchestrator.store.events import TrialEvent
from orchestrator.store.prune_marker import PruneMarker
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.search_settings import INFEASIBLE
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase
from tests.support.searches import OBJECTIVE, SEARCH, evaluated_event, point, trained, written

Told = list[tuple[str, float | None, dict[str, Any]]]


@dataclass
class Launch:
    """A launch's search, without a cluster."""

    search: SearchQueue
    added: list[Trial]
    room: int = 2
    stopping: bool = False
    running: list[str] = field(default_factory=list)
    count: int = 0

    def start(self) -> Any:
        """Ask for the next trial; returns its key, or what is said instead."""
        self.count += 1
        config = self.search.suggest(f"ray{self.count}")
        if not isinstance(config, dict):
            return config
        self.running.append(f"ray{self.count}")
        return config["task"]["key"]

    def end(self, name: str, phase: str, errors: dict[int, float] | None = None) -> None:
        for step, error in (errors or {}).items():
            self.search.on_trial_result(name, {"event": evaluated_event(step, error)})
        event = TrialEvent("key", TrialPhase(phase))
        self.search.on_trial_complete(name, {"event": event})
        self.running.remove(name)

    def study_trials(self) -> list[optuna.trial.FrozenTrial]:
        study: Any = self.search._optuna._ot_study
        return list(study.trials)

    def told(self) -> Told:
        """What Optuna's study has, by state and value."""
        rows = [(t.state.name, t.value, t.params) for t in self.study_trials()]
        return sorted(rows, key=lambda row: (row[0], row[1] or 0))


Start = Callable[..., Launch]


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return written(tmp_path, OBJECTIVE + SEARCH)


@pytest.fixture
def start(spec: SweepSpec) -> Start:
    def start(
        trials: Sequence[Trial] = (),
        states: Sequence[TrialState] = (),
        to_suggest: int = 3,
        of: SweepSpec = spec,
    ) -> Launch:
        known = {t.key: s for t, s in zip(trials, states, strict=True)}
        added: list[Trial] = []
        search = SearchQueue(
            of,
            trials,
            known,
            to_suggest,
            task_of=lambda trial: {"key": trial.key},
            add=added.append,
            room=lambda: launch.room,
            stopping=lambda: launch.stopping,
            phase_of=lambda key: TrialPhase.FINISHED,
            say=lambda line: None,
        )
        launch = Launch(search, added)
        return launch

    return start


def test_as_many_trials_are_chosen_as_are_wanted_each_on_record_first(start: Start) -> None:
    launch = start(to_suggest=3)
    launch.room = 9
    keys = [launch.start() for _ in range(4)]
    assert keys.pop() == Searcher.FINISHED
    assert keys == [trial.key for trial in launch.added]
    assert len(set(keys)) == 3
    for trial in launch.added:
        assert 10 <= trial.config.controls["saturation"].weight <= 1000
        assert f"saturation.weight={trial.config.controls['saturation'].weight:g}" in trial.name


def test_no_more_run_than_there_is_room_for_now(start: Start) -> None:
    launch = start(to_suggest=9)
    assert [launch.start() is None for _ in range(3)] == [False, False, True]
    launch.end("ray1", "finished", {100: 0.2})
    assert [launch.start() is None for _ in range(2)] == [False, True]
    launch.room = 3
    assert [launch.start() is None for _ in range(2)] == [False, True]


def test_nothing_starts_once_the_sweep_is_asked_to_stop(start: Start, spec: SweepSpec) -> None:
    launch = start([point(spec, 20)], [TrialState()])
    launch.stopping = True
    assert launch.start() == Searcher.FINISHED
    assert launch.added == []


def test_begun_trials_go_first_and_done_ones_never(start: Start, spec: SweepSpec) -> None:
    trials = [point(spec, weight) for weight in (20, 30, 40, 50)]
    marker = PruneMarker(20, "saturation_error", 0.5, 0.5, "asha", {})
    states = [
        trained({50: 0.4}),
        trained({50: 0.2, 100: 0.1}),
        replace(trained({20: 0.5}), marker=marker),
        TrialState(),
    ]
    launch = start(trials, states, to_suggest=1)
    launch.room = 9
    keys = [launch.start() for _ in range(4)]
    assert keys == [trials[0].key, trials[3].key, launch.added[0].key, Searcher.FINISHED]
    asked = [t for t in launch.study_trials() if t.state.name == "RUNNING"]
    weights = [t.params["saturation.weight"] for t in asked]
    assert weights[:2] == [20, 50], "they are Optuna's as if it had just suggested them"
    assert asked[0].intermediate_values == {0: 0.4}


def test_optuna_is_told_what_is_stored(start: Start, spec: SweepSpec) -> None:
    trials = [point(spec, 20), point(spec, 30, 16), point(spec, 40)]
    marker = PruneMarker(20, "saturation_error", 0.5, 0.5, "asha", {})
    states = [
        trained({50: 0.4, 100: 0.3}),
        replace(trained({10: 0.6}), marker=marker),  # killed before it had a checkpoint of step 20
        trained({100: 0.01}, mae=0.12),
    ]
    assert start(trials, states).told() == [
        ("COMPLETE", 0.3, {"saturation.weight": 20, "batch_size": 8}),
        ("COMPLETE", pytest.approx(INFEASIBLE + 0.2), {"saturation.weight": 40, "batch_size": 8}),
        ("PRUNED", 0.5, {"saturation.weight": 30, "batch_size": 16}),
    ]


def test_a_launch_tells_optuna_the_same_as_the_next_one_does(start: Start, spec: SweepSpec) -> None:
    launch = start(to_suggest=3)
    launch.room = 3
    for _ in range(3):
        launch.start()
    launch.end("ray1", "finished", {50: 0.4, 100: 0.3})
    launch.end("ray2", "pruned", {10: 0.6, 20: 0.5})
    launch.end("ray3", "stopped", {10: 0.7})
    marker = PruneMarker(20, "saturation_error", 0.5, 0.5, "asha", {})
    states = [
        trained({50: 0.4, 100: 0.3}),
        replace(trained({10: 0.6, 20: 0.5}), marker=marker),
        trained({10: 0.7}),
    ]
    again = start(launch.added, states, to_suggest=0)
    assert again.start() == launch.added[2].key
    before, after = ([row[:2] for row in each.told()] for each in (launch, again))
    assert before == after == [("COMPLETE", 0.3), ("PRUNED", 0.5), ("RUNNING", None)]


def test_a_failed_trial_is_told_as_failed(start: Start) -> None:
    launch = start(to_suggest=2)
    for _ in range(2):
        launch.start()
    launch.end("ray1", "failed", {10: 0.4})
    launch.search.on_trial_complete("ray2", error=True)
    assert [row[0] for row in launch.told()] == ["FAIL", "FAIL"]
    assert launch.start() == Searcher.FINISHED, "it counts"


def test_what_is_known_changes_what_is_suggested(start: Start, spec: SweepSpec) -> None:
    """After twelve trials, the lower their weight the better, Optuna looks at low weights."""
    weights = [12, 15, 20, 30, 50, 80, 120, 200, 300, 500, 700, 900]
    trials = [point(spec, weight) for weight in weights]

    def suggested(errors: list[float]) -> list[float]:
        launch = start(trials, [trained({100: e}) for e in errors], to_suggest=8)
        launch.room = 8
        for _ in range(8):
            launch.start()
        return sorted(t.config.controls["saturation"].weight for t in launch.added)

    low = suggested([weight / 1000 for weight in weights])
    high = suggested([1 - weight / 1000 for weight in weights])
    assert low[4] < 60 < 150 < high[4], "medians"


def test_a_trial_of_ones_own_outside_of_the_space_runs_and_tells_nothing(
    start: Start, spec: SweepSpec, tmp_path: Path
) -> None:
    outside = replace(point(spec, 20), config=point(spec, 20).config.without_control())
    launch = start([outside], [TrialState()], to_suggest=0)
    launch.start()
    launch.end("ray1", "finished", {100: 0.3})
    assert launch.told() == []


def test_a_recoloured_trial_is_none_of_the_searchs(start: Start, spec: SweepSpec) -> None:
    trial = point(spec, 20)
    recoloured = replace(trial, config=trial.config.without_control().recoloured_as(trial.config))
    launch = start([recoloured], [TrialState()], to_suggest=0)
    assert launch.start() == recoloured.key
    launch.end("ray1", "finished", {100: 0.3})
    assert launch.told() == []
    assert launch.start() == Searcher.FINISHED


def test_a_space_that_is_exhausted_is_not_searched_again(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "settings: {steps: 100, evaluate_every: 10, batch_size: 32}\n"
        "points: [{}, {saturation: 0.75}]\n"
        "search: {trials: 2, over: {saturation: 0.75, batch_size: {choices: [16, 32]}}}\n"
        + OBJECTIVE
    )
    spec = read_sweep(file)
    trials = expand(spec)
    launch = start(trials, [TrialState() for _ in trials], to_suggest=2, of=spec)
    launch.room = 9
    keys = [launch.start() for _ in range(3)]
    baseline, steered, recoloured = (trial.key for trial in trials)
    assert keys == [baseline, steered, *(trial.key for trial in launch.added)]
    assert launch.start() is None, "the baseline is trained yet"
    asked = len(launch.study_trials())
    assert launch.start() is None
    assert len(launch.study_trials()) == asked
    launch.end("ray1", "finished")
    assert launch.start() == recoloured


def test_a_small_space_is_searched_to_its_end(start: Start, tmp_path: Path) -> None:
    text = "search: {trials: 12, over: {seed: {low: 1, high: 6}, batch_size: {choices: [8, 16]}}}"
    launch = start(to_suggest=12, of=written(tmp_path, OBJECTIVE + text))
    for number in range(1, 13):
        launch.start()
        launch.end(f"ray{number}", "finished", {100: number / 100})
    assert len({trial.key for trial in launch.added}) == 12
