"""Names of trials, and what is one trial."""

from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.sweep_files import trials, written


def test_a_baseline_recoloured_with_and_without_held_out_targets_has_two_names(file: Path) -> None:
    text = "settings: {steps: 5}\npoints: [{}, {hue: any}, {hue: {hold_out: [[0.4, 0.6]]}}]"
    added = [t for t in expand(read_sweep(written(file, text))) if t.config.recolour]
    assert [t.name for t in added] == [
        "recoloured, hue=any",
        "recoloured, hue=any, hue.hold_out=[[0.4, 0.6]]",
    ]


def test_trials_that_are_measured_elsewhere_alone_are_named_by_that(file: Path) -> None:
    points = (
        "[{hue: any, eval_targets: [{hue: 0}]}, {hue: any}, {red: any, eval_targets: [{red: 0}]}]"
    )
    assert [t.name for t in trials(file, f"settings: {{steps: 5}}\npoints: {points}")] == [
        "hue=any, eval_targets=[{hue: 0.0}]",
        "hue=any",
        "red=any",
    ]


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ("{}", "baseline"),
        ("{saturation: 0.75}", "saturation=0.75"),
        ("{saturation: 0.75, hue: 0.6}", "saturation=0.75, hue=0.6"),
        ("{saturation: {target: 1, weight: 20}}", "saturation=1, saturation.weight=20"),
        ("{seed: 3, batch_size: 8}", "baseline, seed=3, batch_size=8"),
        ("{seed: 3, red: 0}", "red=0, seed=3"),
        ("{red: any, seed: 3, eval_targets: [{red: 0.5}]}", "red=any, seed=3"),
    ],
)
def test_a_trials_name_says_its_targets_then_what_else_is_varied(
    file: Path, point: str, name: str
) -> None:
    text = f"settings: {{steps: 5, saturation.weight: 7}}\npoints: [{point}]"
    assert [trial.name for trial in trials(file, text)] == [name]


def test_a_target_in_the_settings_is_part_of_every_name(file: Path) -> None:
    text = "settings: {steps: 5, hue: 0.6}\naxes: {seed: [1, 2]}"
    assert [t.name for t in trials(file, text)] == ["hue=0.6, seed=1", "hue=0.6, seed=2"]


def test_names_list_controls_in_one_order_however_written(file: Path) -> None:
    text = "settings: {steps: 5}\npoints: [{hue: 0.6, blue: 0, saturation: 1}]"
    assert [t.name for t in trials(file, text)] == ["saturation=1, hue=0.6, blue=0"]


def test_a_number_in_another_notation_is_named_as_the_number(file: Path) -> None:
    (trial,) = trials(file, "settings: {steps: 5, saturation: {min: 1.0e-1, max: 0.90}}")
    assert trial.name == "saturation=0.1..0.9"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("hue: 0", "hue: -0.0"),
        ("hue: 0", "hue: 1"),
        ("saturation: 0.3", "saturation: 0.30000000000000004"),
        ("seed: 1", "seed: 1.0"),
        ("saturation: 0.3, saturation.weight: 100", "saturation: 0.3"),
        ("saturation: {min: 0.1, hold_out: [[0.3, 0.4]]}",
         "saturation: {min: 0.1, hold_out: [[0.30000000000000004, 0.4]]}"),
    ],
)  # fmt: skip
def test_one_trial_written_in_two_ways_is_named_as_given_twice(
    file: Path, first: str, second: str
) -> None:
    text = f"settings: {{steps: 5}}\npoints: [{{{first}}}, {{{second}}}]"
    with pytest.raises(UserError) as raised:
        trials(file, text)
    assert str(raised.value).startswith(f"{file}:2: points[1]: the same trial as points[0] (")


def test_a_hue_of_1_is_a_hue_of_0(file: Path) -> None:
    (trial,) = trials(file, "settings: {steps: 5, hue: 1}")
    assert (trial.name, trial.config.controls["hue"].target) == ("hue=0", 0)
    (until,) = trials(file, "settings: {steps: 5, hue: {min: 0.5, max: 1}}")
    assert until.config.controls["hue"].bounds("hue") == (0.5, 1)


def test_names_give_values_and_not_their_text(file: Path) -> None:
    text = "settings: {steps: 5}\npoints: [{seed: 1.0, generator_lr: 1.0e-3}, {steps: 1e1}]"
    assert [t.name for t in trials(file, text)] == [
        "baseline, seed=1, generator_lr=0.001",
        "baseline, steps=10",
    ]


def test_no_two_trials_have_one_name(file: Path) -> None:
    text = """
    settings: {steps: 5, saturation: any}
    points:
      - {saturation: 0.3000001}
      - {saturation: 0.3000002}
      - {eval_targets: [{saturation: 0.2}]}
      - {eval_targets: [{saturation: 0.4}]}
      - {}
      - {saturation: {target: any, weight: 3}}
      - {saturation: {target: any, weight: 3}, eval_targets: [{saturation: 0.2}]}
    """
    names = [t.name for t in trials(file, text)]
    assert len(set(names)) == len(names) == 7
    assert names[:3] == [
        "saturation=0.3000001",
        "saturation=0.3000002",
        "saturation=any, eval_targets=[{saturation: 0.2}]",
    ]


def test_settings_that_differ_beyond_twelve_digits_are_named_with_all_of_them(file: Path) -> None:
    text = """settings: {steps: 5}
points:
  - {generator_lr: 0.001, seed: 3}
  - {generator_lr: 0.0010000000000001, seed: 3}
"""
    assert [t.name for t in trials(file, text)] == [
        "baseline, generator_lr=0.001, seed=3",
        "baseline, generator_lr=0.0010000000000001, seed=3",
    ]


def test_a_default_written_out_is_named_once(file: Path) -> None:
    text = """settings: {steps: 5}
points: [{discriminator_lr: 0.0002}, {discriminator_lr: 0.00020000000000001}, {saturation: 1}]
"""
    assert [t.name for t in trials(file, text)][:2] == [
        "baseline, discriminator_lr=0.0002",
        "baseline, discriminator_lr=0.00020000000000001",
    ]
