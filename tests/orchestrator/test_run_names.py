"""Names of trials in MLflow: what differs comes first."""

from pathlib import Path

import pytest

from orchestrator.sweep.run_names import run_names
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.sweep_files import written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "points: [{saturation: 0.5}, {saturation: 0.75}, {}]",
            [
                *("saturation=0.5", "saturation=0.75", "baseline"),
                *("recoloured, saturation=0.5", "recoloured, saturation=0.75"),
            ],
        ),
        (
            "axes: {saturation: [0.5], seed: [0, 1]}",
            ["seed=0, saturation=0.5", "seed=1, saturation=0.5"],
        ),
        (
            "points: [{saturation: 0.5}, {saturation: 0.5, preset: original}]",
            ["saturation=0.5", "preset=original, saturation=0.5"],
        ),
        ("points: [{seed: 0}, {seed: 1}]", ["seed=0, baseline", "seed=1, baseline"]),
        (
            "axes: {hue: [0.6], seed: [0, 1]}\npoints: [{}]",
            [
                *("seed=0, hue=0.6", "seed=1, hue=0.6", "baseline, seed=0", "baseline, seed=1"),
                *("recoloured, seed=0, hue=0.6", "recoloured, seed=1, hue=0.6"),
            ],
        ),
        (
            "settings: {steps: 5, hue: {hold_out: [[0.1, 0.2]]}}\naxes: {seed: [0, 1]}",
            ["seed=0, hue=any", "seed=1, hue=any"],
        ),
        ("points: [{saturation: 0.5, seed: 3}]", ["saturation=0.5, seed=3"]),
        ("axes: {saturation: [0.5, 0.75], seed: [3]}", ["saturation=0.5", "saturation=0.75"]),
    ],
)
def test_what_differs_among_the_trials_of_a_kind_comes_first_and_what_is_common_is_left_out(
    file: Path, text: str, expected: list[str]
) -> None:
    settings = "" if text.startswith("settings") else "settings: {steps: 5}\n"
    trials = expand(read_sweep(written(file, settings + text)))
    assert [*run_names(trials).items()] == [
        (trial.key, name) for trial, name in zip(trials, expected, strict=True)
    ]


def test_trials_that_the_file_had_before_are_told_from_those_of_now(file: Path) -> None:
    text = "settings: {steps: 5, base_channels: 8}\naxes: {saturation: [0.5, 0.75]}"
    before = expand(read_sweep(written(file, text)))
    now = expand(read_sweep(written(file, text.replace("8", "12"))))
    assert [*run_names(now, before).values()] == [
        *("saturation=0.5, base_channels=12", "saturation=0.75, base_channels=12"),
        *("saturation=0.5, base_channels=8", "saturation=0.75, base_channels=8"),
    ]
