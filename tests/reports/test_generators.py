import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan.config import TrainConfig
from gan.control import ControlName
from gan.errors import UserError
from gan.inference.colorizer import Colorizer
from reports.generators import load
from reports.phase import TrialPhase
from reports.runs import TrialRun
from reports.store import Launched, connect, default_uri
from reports.trial_generators import by_name, by_run, by_targets, distances, nearest
from tests.support.saved_generators import config, photograph, steered, track, vivid
from tests.support.trackers import tracker_of


def run(config: TrainConfig, name: str = "", **errors: float) -> TrialRun:
    metrics = {f"eval/{control}_error": error for control, error in errors.items()}
    phase = TrialPhase.FINISHED
    return TrialRun("id", "key", name, 0, phase.run_status, phase, "", config, metrics=metrics)


def test_the_nearest_target_comes_first_whatever_the_order() -> None:
    runs = [run(steered(saturation=s), str(s)) for s in (0.25, 0.75, 0.5)]
    assert [r.name for r in nearest(runs, {"saturation": 0.6})] == ["0.5", "0.75", "0.25"]
    assert distances(runs[0], {"saturation": 0.6}) == {"saturation": pytest.approx(0.35)}


def test_hue_goes_round_the_circle() -> None:
    runs = [run(steered(hue=h), str(h)) for h in (0.75, 0.1)]
    assert [r.name for r in nearest(runs, {"hue": 0.95})] == ["0.1", "0.75"]
    assert distances(runs[1], {"hue": 0.95}) == {"hue": pytest.approx(0.15)}


def test_several_targets_are_weighed_by_their_ranges() -> None:
    # A tenth of the range of saturation, and a fiftieth of that of chroma.
    near, far = steered(saturation=0.5, chroma=52.68), steered(saturation=0.6, chroma=50)
    runs = [run(far, "far"), run(near, "near")]
    assert [r.name for r in nearest(runs, {"saturation": 0.5, "chroma": 50})] == ["near", "far"]


def test_only_trials_that_control_all_that_is_wanted_are_chosen() -> None:
    both = run(steered(hue=0, saturation=0), "both")
    runs = [run(config()), run(steered(hue=0.6)), run(steered(saturation=0.5)), both]
    assert nearest(runs, {"hue": 0.6, "saturation": 0.5}) == [both]
    assert nearest(runs, {"red": 0.5}) == []


def test_ties_go_to_the_least_steered_then_the_steered_then_the_exact_then_the_first() -> None:
    recoloured = run(steered(recolour=True, hue=0.6), "recoloured", hue=0.0)
    runs = [
        run(steered(hue=0.6, saturation=0.5), "more", hue=0.0, saturation=0.0),
        recoloured,
        run(steered(hue=0.6).model_copy(update={"seed": 1}), "unmeasured"),
        run(steered(hue=0.6).model_copy(update={"seed": 2}), "worse", hue=0.2),
        run(steered(hue=0.6).model_copy(update={"seed": 3}), "better", hue=0.1),
        run(steered(hue=0.6).model_copy(update={"seed": 4}), "as good", hue=0.1),
    ]
    order = ["better", "as good", "worse", "unmeasured", "recoloured", "more"]
    assert [r.name for r in nearest(runs, {"hue": 0.6})] == order


def test_without_a_target_it_is_the_trial_without_control() -> None:
    assert [r.name for r in nearest([run(steered(hue=0)), run(config(), "plain")], {})] == ["plain"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with finished trials, one that runs, and a sweep in which none is finished."""
    runs = tmp_path_factory.mktemp("store") / "runs"
    track(runs, "hue", "baseline", config())
    track(runs, "hue", "hue=0.6", steered(hue=0.6))
    track(runs, "hue", "hue=0.1", steered(hue=0.1), TrialPhase.RUNNING)
    track(runs, "begun", "hue=0.1", steered(hue=0.1), TrialPhase.RUNNING)
    tracker_of(default_uri(runs), "begun", runs).note_launch(Launched("colorsweep launch begun", 5))
    return runs


@pytest.mark.slow
def test_a_sweeps_nearest_finished_generator_is_fetched(runs: Path, tmp_path: Path) -> None:
    (choice,) = by_targets(default_uri(runs), "hue", [{"hue": 0.1}], tmp_path)
    assert choice.run.name == "hue=0.6"
    expected = Colorizer(vivid(steered(hue=0.6)))(photograph())
    np.testing.assert_array_equal(Colorizer.load(choice.generator)(photograph()), expected)
    (tmp_path / "plain").mkdir()
    (choice,) = by_targets(default_uri(runs), "hue", [{}], tmp_path / "plain")
    assert choice.run.name == "baseline"


def test_a_trial_is_found_by_run_name_and_key(runs: Path, tmp_path: Path) -> None:
    wanted = by_targets(default_uri(runs), "hue", [{"hue": 0.6}], tmp_path)[0].run
    for name in (wanted.run_id, "hue=0.6", wanted.key):
        assert by_name(default_uri(runs), "hue", name, tmp_path).run == wanted
    assert by_run(default_uri(runs), wanted.run_id, tmp_path).run == wanted


@pytest.mark.slow
def test_several_trials_of_one_name_are_refused_unless_one_is_of_the_file(tmp_path: Path) -> None:
    runs, into = tmp_path / "runs", tmp_path / "into"
    into.mkdir()
    one, other = steered(hue=0.6), steered(hue=0.6).model_copy(update={"seed": 1})
    track(runs, "twice", "hue=0.6", one, index=0)
    track(runs, "twice", "hue=0.6", other, index=1)
    with pytest.raises(
        UserError, match=r"several trials are called 'hue=0\.6'; give a key: "
    ) as told:
        by_name(default_uri(runs), "twice", "hue=0.6", into)
    assert one.key() in str(told.value)
    assert other.key() in str(told.value)
    assert by_name(default_uri(runs), "twice", other.key(), into).run.key == other.key()
    tracker_of(default_uri(runs), "twice", runs).leave_out(other.key())
    assert by_name(default_uri(runs), "twice", "hue=0.6", into).run.key == one.key()


@pytest.mark.slow
def test_a_nearer_trial_without_a_generator_is_named(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    nearest_id = track(runs, "some", "hue=0.6", steered(hue=0.6))
    track(runs, "some", "hue=0.1", steered(hue=0.1))
    (lost,) = (runs / "mlartifacts").rglob(f"{nearest_id}/artifacts/generator")
    shutil.rmtree(lost)
    (choice,) = by_targets(default_uri(runs), "some", [{"hue": 0.6}], tmp_path)
    assert (choice.run.name, choice.passed) == ("hue=0.1", ("hue=0.6",))


def test_a_run_a_directory_or_a_file_is_loaded_in_three_lines(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = by_name(default_uri(runs), "hue", "hue=0.6", tmp_path)
    expected = Colorizer(vivid(steered(hue=0.6)))(photograph())
    assert (load(choice.generator)(photograph()) == expected).all()
    assert (load(choice.generator / "generator.safetensors")(photograph()) == expected).all()
    assert (load(choice.run.run_id, default_uri(runs))(photograph()) == expected).all()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(runs.parent)
    assert (load(choice.run.run_id)(photograph()) == expected).all()


@pytest.mark.parametrize(
    ("sweep", "targets", "words"),
    [
        ("huw", {"hue": 0.5}, r"huw: no such sweep; did you mean 'hue'\? There are: begun, .*hue"),
        (
            "begun",
            {"hue": 0.5},
            "begun: no generator yet: 0 of 1 trials finished, 1 running; 4 more trials of its last "
            "launch are not in the tracking store yet",
        ),
        ("hue", {"red": 0.5}, "no finished trial controls red; they control: nothing, hue"),
    ],
)
def test_a_sweep_that_has_nothing_fit_says_what_it_has(
    runs: Path, tmp_path: Path, sweep: str, targets: dict[ControlName, float], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        by_targets(default_uri(runs), sweep, [targets], tmp_path)


def test_a_trial_that_is_not_there_or_has_no_generator_is_refused(
    runs: Path, tmp_path: Path
) -> None:
    uri = default_uri(runs)
    with pytest.raises(UserError, match=r"no trial 'red'; there are: baseline; hue=0.6; hue=0.1"):
        by_name(uri, "hue", "red", tmp_path)
    with pytest.raises(
        UserError, match=r"hue=0.1: no generator in the tracking store \(running\)$"
    ):
        by_name(uri, "hue", "hue=0.1", tmp_path)
    for name in ("0" * 32, "no/where", ""):
        with pytest.raises(UserError, match="neither a file, a directory nor a trial's run"):
            by_run(uri, name, tmp_path)


def test_a_generator_that_was_deleted_leaves_the_choice_to_the_next(
    runs: Path, tmp_path: Path
) -> None:
    run_id = track(runs, "cleared", "first", steered(hue=0.5))
    track(runs, "cleared", "second", steered(hue=0.4))
    for file in (runs / "mlartifacts" / "cleared" / run_id / "artifacts" / "generator").iterdir():
        file.unlink()
    (choice,) = by_targets(default_uri(runs), "cleared", [{"hue": 0.5}], tmp_path)
    assert choice.run.name == "second"


def test_a_run_that_is_no_trials_is_refused(runs: Path, tmp_path: Path) -> None:
    client = connect(default_uri(runs))
    other = client.create_run(client.create_experiment("other")).info.run_id
    with pytest.raises(UserError, match="nor a trial's run"):
        by_run(default_uri(runs), other, tmp_path)


def test_runs_of_the_same_rank_keep_the_sweeps_order() -> None:
    first, second = (replace(run(steered(hue=0.5)), name=name) for name in ("z", "a"))
    assert nearest([first, second], {"hue": 0.5}) == [first, second]


@pytest.mark.parametrize("damage", ["flipped", "no config.json", "no SHA256SUMS", "none at all"])
def test_a_generator_that_is_damaged_in_the_store_is_refused_in_one_line(
    tmp_path: Path, damage: str
) -> None:
    runs = tmp_path / "runs"
    key = steered(hue=0.6).key()
    run_id = track(runs, "hue", "hue=0.6", steered(hue=0.6))
    (stored,) = runs.glob(f"mlartifacts/**/{run_id}/artifacts/generator")
    weights = stored / "generator.safetensors"
    match damage.split():
        case ["flipped"]:
            content = bytearray(weights.read_bytes())
            content[len(content) // 2] ^= 64
            weights.write_bytes(content)
            wanted = "hue=0.6: generator.safetensors of its generator is missing or damaged"
        case ["no", name]:
            (stored / name).unlink()
            wanted = f"hue=0.6: {name} of its generator is missing or damaged"
        case _:
            shutil.rmtree(stored)
            wanted = "hue=0.6: no generator in the tracking store (finished)"
    with pytest.raises(UserError) as refused:
        by_targets(default_uri(runs), "hue", [{"hue": 0.6}], tmp_path / "fetched")
    assert str(refused.value).startswith(wanted)
    assert f"use --generator RUNS/sweeps/SWEEP/{key}" in str(refused.value)
