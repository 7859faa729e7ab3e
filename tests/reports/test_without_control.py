"""Wanted and achieved values beside those without control."""

from dataclasses import replace

from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.without_control import without_control
from tests.support.trial_runs import run, steered

BASELINE = run(metrics={"eval/saturation": 0.19, "eval/mae": 0.1})


def got(target: float, value: float, seed: int = 0) -> TrialRun:
    trial = steered(target, 0.1, seed=seed)
    return replace(trial, metrics=trial.metrics | {"eval/saturation": value})


def test_what_is_achieved_stands_beside_what_there_is_without_control() -> None:
    trials = [BASELINE, got(0.3, 0.17), got(0.3, 0.18, seed=1), got(0.6, 0.29)]
    assert without_control(trials) == [
        "Mean saturation without control: 0.190; with it, before exact control: 0.175 for 0.3, "
        "0.290 for 0.6."
    ]


def test_of_many_targets_the_ends_and_the_middle_are_named() -> None:
    (line,) = without_control([BASELINE, *(got(n / 10, n / 10) for n in range(1, 8))])
    assert line.endswith(": 0.100 for 0.1, 0.400 for 0.4, 0.700 for 0.7.")


def test_nothing_is_said_without_a_finished_baseline_on_the_same_pictures() -> None:
    trial = got(0.3, 0.2)
    assert without_control([trial]) == []
    assert without_control([replace(BASELINE, phase=TrialPhase.FAILED), trial]) == []
    assert without_control([replace(BASELINE, dataset_digest="other"), trial]) == []
