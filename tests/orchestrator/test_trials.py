import re
from pathlib import Path

import pytest

from gan.control import Control
from gan.errors import UserError
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.sweep_files import trials, written


def refusal(file: Path, text: str) -> str:
    """What the user is told of a sweep file that cannot be expanded."""
    with pytest.raises(UserError) as raised:
        trials(file, text)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    at = re.match(rf"{re.escape(str(file))}(:\d+)?: ", message)
    assert at is not None, message
    return message[at.end() :]


def test_settings_alone_are_one_trial(file: Path) -> None:
    (trial,) = trials(file, "settings: {steps: 5, batch_size: 8}")
    assert trial.name == "baseline"
    assert (trial.config.steps, trial.config.batch_size, trial.config.controls) == (5, 8, {})


def test_the_grid_is_the_product_with_the_last_axis_fastest_and_points_follow_it(
    file: Path,
) -> None:
    text = """
    settings: {steps: 5}
    points: [{}, {hue: 0.6}]
    axes: {saturation: [1, 0.5], hue: [0, 0.25, 0.75]}
    """
    assert [trial.name for trial in trials(file, text)] == [
        "saturation=1, hue=0",
        "saturation=1, hue=0.25",
        "saturation=1, hue=0.75",
        "saturation=0.5, hue=0",
        "saturation=0.5, hue=0.25",
        "saturation=0.5, hue=0.75",
        "baseline",
        "hue=0.6",
    ]


def test_settings_give_way_to_axes_and_points(file: Path) -> None:
    text = """
    settings: {steps: 5, batch_size: 8, hue: 0.1, hue.weight: 7}
    axes: {batch_size: [16, 32]}
    points: [{hue: 0.2}, {hue.weight: 9}, {seed: 3}]
    """
    found = [
        (t.config.batch_size, t.config.controls["hue"], t.config.seed) for t in trials(file, text)
    ]
    assert found == [
        (16, Control(target=0.1, weight=7), 0),
        (32, Control(target=0.1, weight=7), 0),
        (8, Control(target=0.2, weight=7), 0),
        (8, Control(target=0.1, weight=9), 0),
        (8, Control(target=0.1, weight=7), 3),
    ]


def test_a_trial_without_control_is_also_recoloured_to_the_targets_of_those_like_it(
    file: Path,
) -> None:
    text = """
    settings: {steps: 5}
    axes: {seed: [1, 2]}
    points: [
      {seed: 1, hue: 0.6}, {seed: 1, hue: {target: 0.6, weight: 9}},
      {seed: 1, hue: 0.25, saturation: 1}, {seed: 2, hue: 0.6, batch_size: 8}]
    """
    added = [t for t in expand(read_sweep(written(file, text))) if t.config.recolour]
    assert [t.name for t in added] == [
        "recoloured, hue=0.6, seed=1",
        "recoloured, saturation=1, hue=0.25, seed=1",
    ]
    assert {t.config.seed for t in added} == {1}
    assert {c.weight for t in added for c in t.config.controls.values()} == {0}
    assert {t.config.without_control().key() for t in added} == {
        next(t.key for t in trials(file, text) if t.name == "baseline, seed=1")
    }


def test_a_range_replaces_the_settings_number_and_a_number_its_range(file: Path) -> None:
    text = "settings: {steps: 5, hue: 0.6}\npoints: [{hue: {min: 0.1, max: 0.9}}, {hue: any}, {}]"
    assert [t.name for t in trials(file, text)] == ["hue=0.1..0.9", "hue=any", "hue=0.6"]
    text = "settings: {steps: 5, hue: {min: 0.1}}\npoints: [{hue: 0.6}, {}]"
    assert [t.name for t in trials(file, text)] == ["hue=0.6", "hue=0.1.."]


def test_a_weight_in_the_settings_waits_for_a_target(file: Path) -> None:
    text = """
    settings: {steps: 5, saturation.weight: 7, hue.weight: 8}
    points: [{}, {saturation: 0.5}, {hue: 0.5}]
    """
    assert [dict(trial.config.controls) for trial in trials(file, text)] == [
        {},
        {"saturation": Control(target=0.5, weight=7)},
        {"hue": Control(target=0.5, weight=8)},
    ]


@pytest.mark.parametrize(
    "varied", ["points: [{hue: 0}, {hue.weight: 3}]", "axes: {hue.weight: [3]}"]
)
def test_a_weight_that_is_varied_wants_a_target(file: Path, varied: str) -> None:
    message = refusal(file, f"settings: {{steps: 5}}\n{varied}")
    assert message.endswith(": hue.weight needs a target: give hue, too")
    assert message.startswith("points[1]: " if "points" in varied else "axes (hue.weight: 3): ")


def test_without_a_weight_it_is_the_default(file: Path) -> None:
    (trial,) = trials(file, "settings: {steps: 5, saturation: 0.5}")
    assert trial.config.controls == {"saturation": Control(target=0.5)}


@pytest.mark.parametrize(
    ("settings", "point", "steps", "epochs"),
    [
        ("steps: 5", "", 5, None),
        ("steps: 5", "steps: 6", 6, None),
        ("steps: 5", "epochs: 2.5", None, 2.5),
        ("epochs: 2", "steps: 6", 6, None),
    ],
)
def test_a_length_replaces_the_settings_length_however_it_is_counted(
    file: Path, settings: str, point: str, steps: int | None, epochs: float | None
) -> None:
    (trial,) = trials(file, f"settings: {{{settings}}}\npoints: [{{{point}}}]")
    assert (trial.config.steps, trial.config.epochs) == (steps, epochs)


MISSING = "the length is missing: write steps: 1000, or epochs: 10"
BOTH = "steps and epochs both give the length; write steps: 5 alone, or epochs: 1 alone"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("settings: {batch_size: 8}", f"settings: {MISSING}"),
        ("settings: {steps: 5, epochs: 1}", f"settings: {BOTH}"),
        ("settings: {steps: 5}\npoints: [{}, {steps: 5, epochs: 1}]", f"points[1]: {BOTH}"),
        ("points: [{seed: 1}, {seed: 2}]", f"settings: {MISSING}"),
    ],
)
def test_a_trial_has_exactly_one_length(file: Path, text: str, said: str) -> None:
    assert refusal(file, text) == said


@pytest.mark.parametrize(
    ("varied", "places"),
    [
        ("points: [{}, {hue: 0.5}, {hue: 0.50}]", ("points[2]", "points[1]")),
        (
            "axes: {hue: [0.5, 0.6]}\npoints: [{hue: 0.6}]",
            ("points[0]", "axes (hue.target: 0.6)"),
        ),
        ("axes: {hue: [0, 0.0]}", ("axes (hue.target: 0.0)", "axes (hue.target: 0)")),
        ("points: [{}, {batch_size: 128}]", ("points[1]", "points[0]")),
        ("points: [{steps: 6}, {steps: 7}]", ("points[1]", "points[0]")),
    ],
)
def test_the_same_trial_twice_is_refused_with_both_places(
    file: Path, varied: str, places: tuple[str, str]
) -> None:
    message = refusal(file, f"settings: {{steps: 5}}\n{varied}")
    assert message.startswith(f"{places[0]}: the same trial as {places[1]} (")


@pytest.mark.parametrize(
    ("text", "key", "valid"),
    [
        ("points: [{hue: 0}, {hue: 1.5}]", "points[1]: hue.target", "is not in [0, 1]"),
        ("points: [{hue: -0.1}]", "points[0]: hue.target", "is not in [0, 1]"),
        ("points: [{hue: .nan}]", "points[0].hue.target", "not nan"),
        ("axes: {hue: [0, 2]}", "axes: hue.target", "is not in [0, 1]"),
        ("points: [{hue: {target: 0, weight: -1}}]", "points[0].hue.weight", "or equal to 0"),
        ("points: [{hue: red}]", "points[0].hue.target", "a number, or 'any'"),
        ("points: [{steps: 1.5}]", "points[0].steps", "must be a whole number"),
        ("points: [{batch_size: 1}]", "points[0].batch_size", "greater than or equal to 2"),
        ("points: [{image_size: 48}]", "points[0].image_size", "32, 64, 128 or 256"),
        ("points: [{dataset: cifar}]", "points[0].dataset", "did you mean 'cifar10'? Valid:"),
        ("points: [{precision: half}]", "points[0].precision", "float32, bfloat16"),
        ("points: [{dataset: folder}]", "points[0]", "needs a dataset_path"),
        ("points: [{dataset_path: x}]", "points[0]", "takes no dataset_path"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_place_and_what_is_valid(
    file: Path, text: str, key: str, valid: str
) -> None:
    message = refusal(file, f"settings: {{steps: 5}}\n{text}")
    assert message.startswith(f"{key}")
    assert valid in message


def test_a_bad_value_in_the_settings_is_named_there(file: Path) -> None:
    text = "settings: {steps: 5, beta1: 1, hue.weight: 2}\npoints: [{hue: 0}]"
    assert refusal(file, text).startswith("settings.beta1: ")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("epochs: .inf", "epochs"),
        ("steps: 5, generator_lr: .inf", "generator_lr"),
        ("steps: 5, l1_weight: .inf", "l1_weight"),
        ("steps: 5, saturation: {target: 0.5, weight: .inf}", "saturation.weight"),
    ],
)
def test_an_infinite_number_is_refused(file: Path, settings: str, name: str) -> None:
    assert refusal(file, f"settings: {{{settings}}}").startswith(f"settings.{name}: ")


def test_a_number_takes_the_place_of_the_sweeps_range(file: Path) -> None:
    text = """
    settings: {steps: 5, saturation: {min: 0.05, max: 0.9, hold_out: [[0.4, 0.6]]}}
    points: [{}, {saturation: 0.5}]
    """
    ranged, fixed = trials(file, text)
    assert (ranged.name, fixed.name) == ("saturation=0.05..0.9", "saturation=0.5")
    assert fixed.config.controls["saturation"] == Control(target=0.5)


def test_held_out_intervals_alone_make_a_target_an_input(file: Path) -> None:
    (trial,) = trials(file, "settings: {steps: 5, saturation: {hold_out: [[0.4, 0.6]]}}")
    assert trial.config.conditions == ("saturation",)
