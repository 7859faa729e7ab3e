"""Baselines of grids over controls and other settings, and the rivals made from them."""

import json
from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.cli_flags import call
from tests.support.sweep_files import trials, written

HEAD = "settings: {steps: 6, batch_size: 8, base_channels: 16}\n"


def without_control(found: list[Trial]) -> list[str]:
    return [trial.name for trial in found if not trial.config.controls]


def rivals(file: Path, text: str) -> list[str]:
    return [t.name for t in expand(read_sweep(written(file, text))) if t.config.recolour]


def test_the_empty_point_is_a_baseline_at_each_value_of_a_setting(file: Path) -> None:
    text = f"{HEAD}axes: {{saturation: [0.2, 0.5], base_channels: [8, 12]}}\npoints: [{{}}]"
    found = trials(file, text)
    assert without_control(found) == ["baseline, base_channels=8", "baseline, base_channels=12"]
    assert [t.config.base_channels for t in found if not t.config.controls] == [8, 12]
    assert sorted(rivals(file, text)) == [
        "recoloured, saturation=0.2, base_channels=12",
        "recoloured, saturation=0.2, base_channels=8",
        "recoloured, saturation=0.5, base_channels=12",
        "recoloured, saturation=0.5, base_channels=8",
    ]


def test_every_steered_trial_of_a_grid_over_seeds_has_its_rival(file: Path) -> None:
    for points in ("{}", "{}, {seed: 1}"):  # before, the second was the only way to write it
        text = f"{HEAD}axes: {{hue: [0.1], seed: [0, 1, 2]}}\npoints: [{points}]"
        assert sorted(without_control(trials(file, text))) == [
            *("baseline, seed=0", "baseline, seed=1", "baseline, seed=2")
        ]
        assert rivals(file, text) == [f"recoloured, hue=0.1, seed={seed}" for seed in range(3)]


@pytest.mark.parametrize(
    ("axes", "points", "baselines"),
    [
        # What only steering looks at makes no other baseline.
        ("saturation: [0.5], penalty_weight: [50, 200]", "{}, {hue: 0.5}", ["baseline"]),
        ("saturation: [0.5], fit: [none, both], seed: [3]", "{}", ["baseline"]),
        ("saturation: [0.5], saturation.weight: [50, 200]", "{}", ["baseline"]),
        ("saturation: [0.5], base_channels: [8]", "{}", ["baseline"]),
        # The settings alone are a baseline too where a point has only them beside its target.
        (
            "saturation: [0.5], base_channels: [8]",
            "{}, {hue: 0.5}",
            ["baseline, base_channels=8", "baseline, base_channels=16"],
        ),
        # A grid without control has baselines of its own, and a point is what it says.
        (
            "base_channels: [8, 12]",
            "{}, {hue: 0.5}",
            ["baseline, base_channels=8", "baseline, base_channels=12", "baseline"],
        ),
    ],
)
def test_every_trial_with_control_has_a_baseline_of_its_settings(
    file: Path, axes: str, points: str, baselines: list[str]
) -> None:
    found = trials(file, f"{HEAD}axes: {{{axes}}}\npoints: [{points}]")
    assert without_control(found) == baselines
    keys = {trial.key for trial in found if not trial.config.controls}
    assert {t.config.without_control().key() for t in found if t.config.controls} <= keys


def test_a_point_that_was_the_one_baseline_stays_what_and_where_it_was(file: Path) -> None:
    (alone,) = trials(file, HEAD)
    axes = "axes: {saturation: [0.5], penalty_weight: [50, 200], seed: [0]}"
    found = trials(file, f"{HEAD}{axes}\npoints: [{{}}, {{hue: 0.5}}]")
    assert found[2] == alone


def test_a_length_that_varies_is_refused_beside_a_baseline(file: Path) -> None:
    text = f"{HEAD}axes: {{saturation: [0.5], steps: [6, 12]}}\npoints: [{{}}]"
    with pytest.raises(UserError, match=r"points\[0\]: a baseline has one length"):
        trials(file, text)
    assert len(trials(file, text.replace(", 12", ""))) == 2


@pytest.mark.usefixtures("workplace")
def test_the_dry_run_counts_the_baselines_and_names_trials_without_one() -> None:
    axes = "axes: {saturation: [0.2], base_channels: [8, 12], seed: [0, 1]}"
    Path("x.yaml").write_text(f"{HEAD}{axes}\npoints: [{{}}, {{hue: 0.5, seed: 9}}]")
    said = call("launch", "x.yaml", "--dry-run").stdout
    assert "4 baselines of the grid, one for each base_channels and seed\n" in said
    assert "no baseline, and so no rival, of the settings of [hue=0.5, seed=9]; a point" in said
    Path("x.yaml").write_text(f"{HEAD}axes: {{saturation: [0.2, 0.5]}}\npoints: [{{}}]")
    plan = json.loads(call("launch", "x.yaml", "--dry-run", "--json").stdout)
    assert plan["baselines"] == []
    trained, moved = plan["trials"][0], plan["trials"][-1]
    assert (trained["steps"], moved["name"]) == (6, "recoloured, saturation=0.5")
    assert (moved["step"], moved["steps"], moved["epochs"]) == (0, 0, 0)
