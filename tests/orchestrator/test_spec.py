import re
from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.sweep.spec import SHIPPED, find_sweep, read_sweep
from orchestrator.sweep.trials import expand


def refusal(file: Path, text: str) -> str:
    """What the user is told of a sweep file that cannot be read."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_sweep(file)
    # Most of these files give no length, which is told, too, where it is certain.
    (message,) = (line for line in raised.value.lines if "the length is missing" not in line)
    assert len(message.splitlines()) == 1
    at = re.match(rf"{re.escape(str(file))}(:\d+)?: ", message)
    assert at is not None, message
    return message[at.end() :]


def test_a_sweep_has_its_files_name(file: Path) -> None:
    file.write_text("settings: {steps: 5}")
    assert read_sweep(file).name == "mine"


@pytest.mark.parametrize("text", ["", "settings:\naxes:\npoints:\nresources:\n"])
def test_every_section_may_be_left_out(file: Path, text: str) -> None:
    file.write_text(text)
    spec = read_sweep(file)
    assert (spec.settings, spec.axes, spec.points) == ({}, {}, [])
    assert (spec.resources.cpus_per_trial, spec.resources.gpus_per_trial) == (1, None)


def test_resources_are_of_each_trial(file: Path) -> None:
    file.write_text("resources: {cpus_per_trial: 2, gpus_per_trial: 0.5}")
    resources = read_sweep(file).resources
    assert (resources.cpus_per_trial, resources.gpus_per_trial) == (2, 0.5)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("saturation: 0.5", {"saturation.target": 0.5}),
        ("saturation.target: 0.5", {"saturation.target": 0.5}),
        ("saturation: {target: 0.5}", {"saturation.target": 0.5}),
        (
            "saturation: {target: 0.5, weight: 20}",
            {"saturation.target": 0.5, "saturation.weight": 20},
        ),
        (
            "saturation: 0.5, saturation.weight: 20",
            {"saturation.target": 0.5, "saturation.weight": 20},
        ),
        ("saturation.weight: 20", {"saturation.weight": 20}),
        ("batch_size: 32, hue: 0", {"batch_size": 32, "hue.target": 0}),
    ],
)
@pytest.mark.parametrize("section", ["settings", "points"])
def test_a_controls_name_stands_for_its_target(
    file: Path, section: str, written: str, meant: dict[str, float]
) -> None:
    mapping = f"{{{written}}}"
    file.write_text(f"settings: {mapping}" if section == "settings" else f"points: [{mapping}]")
    spec = read_sweep(file)
    assert (spec.settings if section == "settings" else spec.points[0]) == meant


def test_axes_are_lists_by_dotted_name_in_the_order_written(file: Path) -> None:
    file.write_text("axes: {seed: [1, 2], saturation: [0, 1], hue.weight: [5]}")
    axes = read_sweep(file).axes
    assert list(axes.items()) == [
        ("seed", [1, 2]),
        ("saturation.target", [0, 1]),
        ("hue.weight", [5]),
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("settings: {saturation: 0.5, saturation.target: 0.6}", "settings.saturation.target"),
        ("points: [{}, {hue.weight: 1, hue: {target: 0, weight: 2}}]", "points[1].hue"),
        ("axes: {hue: [0], hue.target: [0.5]}", "axes.hue.target"),
    ],
)
def test_what_is_given_in_two_ways_is_refused(file: Path, text: str, key: str) -> None:
    message = refusal(file, text)
    assert message.startswith(f"{key}: ")
    assert "given twice" in message


@pytest.mark.parametrize(
    ("text", "key", "valid"),
    [
        ("axis: {hue: [0]}", "axis", "did you mean 'axes'? Valid: settings, axes, points"),
        ("settings: {batchsize: 8}", "settings.batchsize", "did you mean 'batch_size'?"),
        ("points: [{satruation: 1}]", "points[0].satruation", "did you mean 'saturation'?"),
        ("axes: {contrast: [1]}", "axes.contrast", "valid: saturation, hue, red, green, blue,"),
        ("settings: {hue: {targt: 1}}", "settings.hue", "did you mean 'target'? Valid: target,"),
        ("settings: {hue.wight: 1}", "settings.hue.wight", "did you mean 'weight'? Valid: target"),
        ("settings: {1: 2}", "settings.1", "valid: saturation,"),
        ("resources: {cpu_per_trial: 1}", "resources.cpu_per_trial", "'cpus_per_trial'? Valid: "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_valid_ones(
    file: Path, text: str, key: str, valid: str
) -> None:
    message = refusal(file, text)
    assert message.startswith(f"{key}: unknown key '")
    assert valid in message


def test_an_unknown_control_is_answered_with_the_controls(file: Path) -> None:
    message = refusal(file, "axes: {contrast.weight: [1]}")
    assert message.startswith("axes.contrast.weight: unknown control 'contrast'; valid: saturation")
    assert "did you mean 'hue'?" in refusal(file, "settings: {hoe.weight: 1}")


def test_the_controls_of_the_engine_are_not_a_key_of_their_own(file: Path) -> None:
    assert "'controls'" in refusal(file, "settings: {controls: {hue: {target: 0}}}")


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        ("- settings", "the file", "names and values"),
        ("settings: [steps]", "settings", "names and values"),
        ("axes: [hue]", "axes", "names and values"),
        ("axes: {hue: 0.5}", "axes.hue", "a list of values"),
        ("axes: {hue: []}", "axes.hue", "a list of values"),
        ("axes: {hue: [{target: 0.5}]}", "axes.hue", "plain values"),
        ("points: {hue: 0.5}", "points", "a list of trials"),
        ("points:\n  -\n  - {hue: 0.5}", "points[0]", "names and values"),
        ("points: [hue]", "points[0]", "names and values"),
        ("resources: 2", "resources", "names and values"),
        ("resources: {cpus_per_trial: 0}", "resources.cpus_per_trial", "greater than or equal"),
        ("resources: {gpus_per_trial: all}", "resources.gpus_per_trial", "a number"),
        ("resources: {gpus_per_trial: 1.5}", "resources.gpus_per_trial", "a whole number"),
        ("settings:\n  seed: 1\n  seed: 2", "seed", "is given twice"),
        ("points: []\npoints: []", "points", "is given twice"),
        ("{{seed: 1}: 2}: 3", "not valid YAML", "unhashable"),
    ],
)
def test_a_section_of_the_wrong_shape_is_refused(
    file: Path, text: str, key: str, wanted: str
) -> None:
    message = refusal(file, text)
    assert message.startswith(f"{key}: ")
    assert wanted in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("settings:\n\tsteps: 5\n", 2),
        ("settings: {steps: 5}\npoints: [{hue: 0}\naxes: {}\n", 3),
        ("settings:\n  steps: 5\n  note: 'open\n", 4),
        ("settings: {steps: 5}\nsettings: !!python/object:os.system {}\n", 2),
    ],
)
def test_bad_yaml_is_answered_with_its_line(file: Path, text: str, line: int) -> None:
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        read_sweep(file)
    assert str(raised.value).startswith(f"{file}:{line}: not valid YAML, column ")


@pytest.mark.parametrize("value", ["!!timestamp 2020-13-45", "!!int twelve"])
def test_a_value_that_yaml_itself_cannot_make_is_bad_yaml(file: Path, value: str) -> None:
    assert "not valid YAML" in refusal(file, f"settings:\n  seed: {value}\n")


def test_a_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(UserError, match=f"{file}: is not UTF-8 text"):
        read_sweep(file)


def test_a_sweep_is_found_by_path_before_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_sweep("quickstart") == SHIPPED / "quickstart.yaml"
    Path("quickstart").write_text("")
    assert find_sweep("quickstart") == Path("quickstart")


def test_an_unknown_name_is_answered_with_the_shipped_sweeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as raised:
        find_sweep("quickstrat")
    assert "did you mean 'quickstart'?" in str(raised.value)
    for file in SHIPPED.glob("*.yaml"):
        assert file.stem in str(raised.value)


def test_an_unknown_path_is_answered_with_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text("")
    with pytest.raises(UserError) as raised:
        find_sweep(str(tmp_path / "hueg.yaml"))
    assert f"did you mean '{tmp_path / 'huge.yaml'}'?" in str(raised.value)


@pytest.mark.parametrize("key", ["value", "brightness.weight", "lightness"])
def test_what_the_lightness_fixes_is_no_control(tmp_path: Path, key: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"settings: {{steps: 5, {key}: 0.5}}")
    with pytest.raises(UserError, match="is no control: the photograph's L fixes it"):
        read_sweep(file)


def test_a_preset_is_a_setting_an_axis_or_a_points(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "settings: {steps: 5, beta1: 0.2}\naxes: {preset: [original, parent]}\npoints: [{}]"
    )
    seed, parent, plain = expand(read_sweep(file))
    assert [t.name for t in (seed, parent)] == [
        "baseline, preset=original",
        "baseline, preset=parent",
    ]
    assert (seed.config.beta1, parent.config.beta1) == (0.2, 0.2), "what is given goes first"
    assert (seed.config.lr_plateau_steps, plain.config.lr_plateau_steps) == (4000, None)
    file.write_text("settings: {steps: 5, preset: sed}")
    with pytest.raises(UserError, match="preset: 'sed'; valid: original, parent"):
        expand(read_sweep(file))


def test_a_directory_is_answered_with_the_sweep_files_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    with pytest.raises(UserError, match=r"^mine: is a directory; no sweep file is in it$"):
        find_sweep("mine")
    Path("mine/huge.yaml").write_text("")
    with pytest.raises(UserError, match=r"name a sweep file in it: mine/huge\.yaml$"):
        find_sweep("mine/")
