"""Generators of any target, at work: the commands colorize and export, and their choice."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from gan.config import TrainConfig
from gan.inference.colorizer import Colorizer
from orchestrator.inference.onnx_export import largest_difference, to_onnx
from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.trial_generators import distances, nearest
from tests.support.cli import assert_refused
from tests.support.cli_flags import call
from tests.support.saved_generators import config, photograph, save, track, vivid

ANY = config(controls={"saturation": {"min": 0.1, "max": 0.8, "weight": 0}})
BOTH = config(controls={"saturation": {"target": "any"}, "hue": {"target": "any"}})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a picture and a generator of any saturation."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph()).save("a.png")
    save(ANY, tmp_path / "generator")
    return tmp_path


def test_the_wanted_number_is_what_the_generator_is_given_and_what_comes_out(here: Path) -> None:
    options = ["colorize", "a.png", "--generator", "generator", "--saturation", "0.62"]
    result = call(*options)
    assert (result.exit_code, result.stderr) == (0, "")
    achieved = re.search(r"saturation 0.62 wanted, ([\d.]+) achieved", result.stdout)
    assert achieved is not None
    assert float(achieved[1]) == pytest.approx(0.62, abs=0.005)
    colorize = Colorizer(vivid(ANY))
    made = np.asarray(Image.open("a-colorized.png"))
    np.testing.assert_array_equal(made, colorize(photograph(), {"saturation": 0.62}))
    assert call(*options, "--raw", "--overwrite").exit_code == 0
    raw = np.asarray(Image.open("a-colorized.png"))
    np.testing.assert_array_equal(raw, colorize(photograph(), {"saturation": 0.62}, raw=True))
    assert not np.array_equal(raw, made)


def test_a_target_that_is_missing_is_asked_for_in_one_line(here: Path) -> None:
    result = call("colorize", "a.png", "--generator", "generator")
    assert_refused(result, "this generator needs a target for saturation")
    assert not Path("a-colorized.png").exists()


@pytest.mark.slow
def test_a_sweeps_trial_of_any_target_is_taken_for_a_number_between_the_others(here: Path) -> None:
    track(here / "runs", "mine", "saturation=any", ANY)
    for target in (0.2, 0.6):
        fixed = config(controls={"saturation": {"target": target, "weight": 0}})
        track(here / "runs", "mine", f"saturation={target}", fixed)
    chosen = call("colorize", "a.png", "--sweep", "mine", "--saturation", "0.5", "--overwrite")
    assert "saturation=any" in chosen.stdout
    assert "saturation 0.5 is wanted, which it is given" in chosen.stdout
    outside = call("colorize", "a.png", "--sweep", "mine", "--saturation", "0.9", "--overwrite")
    assert "0.1 outside what it was trained for" in outside.stdout


@pytest.mark.slow
def test_a_run_that_was_not_trained_for_what_is_wanted_is_moved_there(here: Path) -> None:
    track(here / "runs", "mine", "baseline", config())
    options = ["colorize", "a.png", "--sweep", "mine", "--run", "baseline", "--saturation", "0.3"]
    result = call(*options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "saturation 0.3 is wanted, met by exact control alone" in result.stdout
    assert "saturation 0.3 wanted, 0.300 achieved" in result.stdout


def run(trial: TrainConfig, name: str) -> TrialRun:
    phase = TrialPhase.FINISHED
    return TrialRun(name, trial.key(), name, 0, phase.run_status, phase, "", trial)


def test_a_trial_that_has_to_be_given_more_than_is_wanted_is_not_chosen() -> None:
    runs = [run(BOTH, "both"), run(ANY, "one")]
    assert [r.name for r in nearest(runs, {"saturation": 0.5})] == ["one"]
    assert [r.name for r in nearest(runs, {"saturation": 0.5, "hue": 0.9})] == ["both"]
    assert nearest(runs, {}) == []
    assert distances(runs[0], {"saturation": 0.97, "hue": 0.3}) == {"saturation": 0, "hue": 0}


def test_a_range_of_hues_is_left_the_shorter_way_around_the_circle() -> None:
    blue = config(controls={"hue": {"min": 0.8, "max": 0.95}})
    (distance,) = distances(run(blue, "blue"), {"hue": 0.05}).values()
    assert distance == pytest.approx(0.1)


def test_a_value_held_out_is_as_far_as_the_nearest_that_was_drawn() -> None:
    held = config(controls={"saturation": {"hold_out": [[0.4, 0.6]]}})
    (distance,) = distances(run(held, "held"), {"saturation": 0.45}).values()
    assert distance == pytest.approx(0.05)


def test_a_generator_of_before_there_was_a_choice_keeps_its_transposed_convolutions(
    here: Path,
) -> None:
    old = config(upsampling="transposed")
    save(old, here / "old")
    settings = json.loads((here / "old" / "config.json").read_text())
    del settings["upsampling"]
    (here / "old" / "config.json").write_text(json.dumps(settings))
    made = Colorizer.load(here / "old")(photograph())
    np.testing.assert_array_equal(made, Colorizer(vivid(old))(photograph()))


@pytest.mark.slow
def test_the_onnx_file_takes_the_targets_as_inputs_and_says_so() -> None:
    generator = vivid(BOTH)
    content = to_onnx(generator)
    assert largest_difference(generator, content) < 1e-5
    model = onnx.load_from_string(content)
    assert [each.name for each in model.graph.input] == ["l", "hue", "saturation"]
    described = {entry.key: entry.value for entry in model.metadata_props}
    assert described["hue"] == "wanted hue of each picture, (batch,), in [0, 1]"
    assert json.loads(described["config"])["controls"].keys() == {"hue", "saturation"}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    l = torch.zeros(1, 1, 32, 32).numpy()  # noqa: E741
    made = [
        session.run(
            ["ab"], {"l": l, "hue": np.array([h], "f"), "saturation": np.array([0.5], "f")}
        )[0]
        for h in (0.0, 0.5, 1.0)
    ]
    np.testing.assert_allclose(made[0], made[2], atol=1e-5)


def test_an_export_is_of_a_trial_and_needs_no_target(here: Path) -> None:
    refused = call(
        "export", "--generator", "generator", "--saturation", "0.5", "--out", str(here / "out")
    )
    assert_refused(refused, "--saturation chooses among the trials of a --sweep")
