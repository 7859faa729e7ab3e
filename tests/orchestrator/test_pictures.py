"""Sweeps whose pictures were replaced between two launches."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gan.config import TrainConfig
from gan.data import datasets
from gan.data.identity import DatasetSource
from orchestrator.driver.pictures import (
    cannot_go_on,
    compared,
    digests_now,
    kept_back,
    other_pictures,
)
from orchestrator.store.manifest import read_manifest
from orchestrator.store.paths import PICTURES
from orchestrator.store.trial_state import TrialState, states_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.cli_flags import call
from tests.support.streamed_images import noise
from tests.support.tiny_sweep import record, train

pytestmark = pytest.mark.usefixtures("quick_evaluations", "workplace")


def invert(npz: Path) -> None:
    with np.load(npz) as archive:
        arrays = {name: 255 - archive[name] for name in archive.files}
    np.savez(npz, **arrays)


def replace_pictures(npz: Path) -> None:
    invert(npz)
    datasets._load.cache_clear()  # as in a new process


@pytest.fixture
def npz(small_npz: Path, workplace: Path) -> Path:
    datasets._load.cache_clear()  # the name is the same in each test
    return Path(shutil.copy(small_npz, workplace / "mine.npz"))


@pytest.fixture
def sweep(npz: Path, workplace: Path) -> Path:
    """The directory of a launched sweep of two finished trials."""
    directory = record(workplace, 3, Path("mine.npz"))
    train(directory, 0)
    train(directory, 1)
    return directory


def told(directory: Path) -> list[str]:
    """What a launch with nothing to train says."""
    spec, trials = read_sweep(Path("tiny.yaml")), read_manifest(directory)
    states = states_of(spec, trials, Path("runs"))
    return other_pictures(trials, compared(trials, states, digests_now(trials, states, directory)))


@pytest.mark.slow
def test_a_launch_names_the_finished_trials_of_pictures_that_were_replaced(
    sweep: Path, npz: Path
) -> None:
    assert told(sweep) == []
    replace_pictures(npz)
    (line,) = told(sweep)
    for words in ("dataset npz (mine.npz)", "[baseline, seed=1], [baseline, seed=2]"):
        assert words in line
    assert told(sweep) == [line], "from what is remembered"
    train_again = read_manifest(sweep)[1].key
    shutil.rmtree(sweep / train_again)
    train(sweep, 1)
    (line,) = told(sweep)
    assert "[baseline, seed=1]; " in line


def test_nothing_is_loaded_while_no_file_has_changed(sweep: Path, npz: Path) -> None:
    assert told(sweep) == []
    datasets._load.cache_clear()
    assert told(sweep) == []
    assert datasets._load.cache_info().misses == 0
    os.utime(npz)
    assert told(sweep) == []
    assert datasets._load.cache_info().misses == 1


def test_the_same_path_in_another_directory_is_of_other_pictures(
    sweep: Path, npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(sweep) == []
    other = tmp_path / "other"
    other.mkdir()
    for name in ("tiny.yaml", "mine.npz"):
        shutil.copy(name, other)
    shutil.copytree("runs", other / "runs")
    monkeypatch.chdir(other)
    assert told(sweep) == [], "a copy"
    replace_pictures(other / "mine.npz")
    assert len(told(sweep)) == 1


def test_pictures_that_are_gone_do_not_stop_a_launch_with_nothing_to_do(
    sweep: Path, npz: Path
) -> None:
    npz.unlink()
    datasets._load.cache_clear()
    assert told(sweep) == []


@pytest.mark.slow
def test_launch_dry_run_and_status_say_so(sweep: Path, npz: Path) -> None:
    replace_pictures(npz)
    for options in ([], ["--dry-run"]):
        result = call("launch", "tiny.yaml", *options)
        assert result.exit_code == 0, result.output
        assert "trained on other pictures than those of dataset npz (mine.npz)" in result.stdout
    assert "other pictures" not in call("status", "tiny").stdout, "they are all of the same"
    shutil.rmtree(sweep / read_manifest(sweep)[1].key)
    train(sweep, 1)
    found = json.loads(call("status", "tiny", "--json").stdout)["trials"]
    assert [row["other_pictures"] for row in found] == [False, True]
    assert "seed=2: trained on other pictures" in call("status", "tiny").stdout


@pytest.mark.slow
def test_where_no_trial_can_go_on_a_launch_ends_before_ray(sweep: Path, npz: Path) -> None:
    replace_pictures(npz)
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text().replace("steps: 3", "steps: 6"))
    said = "cannot go on, as dataset npz (mine.npz) has other pictures now: [baseline, seed=1], "
    result = call("launch", "tiny.yaml")
    assert result.exit_code == 1, result.output
    assert result.stdout.count(said) == 1
    for line in ("Starting Ray", "To go on: ", "Next: ", "not the pictures of step"):
        assert line not in result.stdout
    plan = json.loads(call("launch", "tiny.yaml", "--dry-run", "--json").stdout)
    assert (plan["seconds"], plan["changes"][-1].startswith(said)) == (0, True)


def test_a_trial_goes_on_unless_its_pictures_or_its_baselines_were_replaced(file: Path) -> None:
    file.write_text(
        "settings: {steps: 6, dataset: npz, dataset_path: mine.npz, penalty_from_step: 0}\n"
        "points: [{}, {saturation: 0.5}, {saturation: 0.7}, {hue: 0.5}]\n"
    )
    baseline, begun, new, finished, *recoloured = trials = expand(read_sweep(file))
    states = {trial.key: TrialState(total_steps=6) for trial in trials}
    before = TrialState(step=3, total_steps=6, dataset_digest="before")
    states |= {baseline.key: before, begun.key: before}
    states[finished.key] = TrialState(step=6, total_steps=6, dataset_digest="before")
    source: DatasetSource = ("npz", "mine.npz", 32)
    kept = kept_back(trials, compared(trials, states, {source: "now"}))
    assert kept == [baseline, begun, *recoloured]
    (line,) = cannot_go_on(kept)
    assert "the directories of these trials and of their baselines to train anew" in line
    marked = compared(trials, states, {source: "now"})
    assert [trial for trial in trials if marked[trial.key].is_to_train] == [new]
    for digests in ({}, {source: "before"}):
        assert kept_back(trials, compared(trials, states, digests)) == []


@pytest.mark.slow
def test_train_refuses_to_go_on_with_other_pictures(npz: Path) -> None:
    small = "--base-channels 4 --batch-size 8 --eval-images 12 --log-interval 2 --sample-interval 3"
    flags = ["--dataset", "npz", "--dataset-path", "mine.npz", *small.split(" ")]
    assert call("train", *flags, "--steps", "3").exit_code == 0
    replace_pictures(npz)
    again = call("train", *flags, "--steps", "3")
    assert again.exit_code == 0
    assert "trained on other pictures" in again.stdout
    result = call("train", *flags, "--steps", "6")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Failed: ")]
    assert "dataset npz (mine.npz): not the pictures of step 3" in line


def finished_on(config: TrainConfig, directory: Path) -> Callable[[], list[str]]:
    """What a launch says of a finished trial, whose pictures were those that it has first."""
    trial = Trial("one", config.key(), config)
    first = datasets.load(config).digest
    datasets._load.cache_clear()
    states = {trial.key: TrialState(step=1, total_steps=1, dataset_digest=first)}
    assert states[trial.key].phase.is_done

    def told() -> list[str]:
        found = digests_now([trial], states, directory)
        datasets._load.cache_clear()
        return other_pictures([trial], compared([trial], states, found))

    return told


def test_pictures_below_a_link_are_seen_to_change(tmp_path: Path) -> None:
    folder, train = tmp_path / "folder", tmp_path / "elsewhere"
    train.mkdir()
    (folder / "test").mkdir(parents=True)
    (folder / "train").symlink_to(train)
    for n in range(8):
        noise(40, 40, seed=n).save(train / f"{n}.png")
    shutil.copy(train / "0.png", folder / "test")
    settings = {"dataset": "folder", "dataset_path": str(folder), "batch_size": 8, "steps": 1}
    told = finished_on(TrainConfig.model_validate(settings), tmp_path)
    assert told() == []
    noise(40, 40, seed=9).save(train / "2.png")
    assert len(told()) == 1


def test_what_was_loaded_before_its_files_were_looked_at_is_not_remembered(
    sweep: Path, npz: Path
) -> None:
    datasets.load(read_manifest(sweep)[0].config)
    invert(npz)
    assert told(sweep) == [], "those in memory"
    datasets._load.cache_clear()
    assert len(told(sweep)) == 1


def test_datasets_of_other_calls_stay_remembered(sweep: Path, npz: Path, tmp_path: Path) -> None:
    assert told(sweep) == []
    shutil.copy(npz, tmp_path / "other.npz")
    settings = {"dataset": "npz", "dataset_path": str(tmp_path / "other.npz"), "batch_size": 8}
    assert finished_on(TrainConfig.model_validate({"steps": 1, **settings}), sweep)() == []
    assert told(sweep) == []
    assert datasets._load.cache_info().misses == 0


def test_a_record_that_cannot_be_written_ends_no_launch(sweep: Path) -> None:
    (sweep / PICTURES).mkdir()
    assert told(sweep) == []
