"""Source, user, commit, dataset and name of a run, where MLflow's own pages look for them."""

import getpass
import json
import shutil
from pathlib import Path
from typing import Any

import mlflow.data
import pytest
from mlflow.entities import DatasetInput, Run

from gan.config import TrainConfig
from gan.data.datasets import load
from gan.data.identity import PHOTOS
from reports.provenance import commit_tags
from reports.store import read_sweep
from reports.tracking import SweepTracker
from tests.support.tracked_trials import CONFIG, again, only_run, sync, train_on


def only_dataset(run: Run) -> DatasetInput:
    assert run.inputs is not None
    (found,) = run.inputs.dataset_inputs
    return found


def profile_of(found: DatasetInput) -> Any:
    assert found.dataset.profile is not None
    return json.loads(found.dataset.profile)


def path_of(found: DatasetInput) -> str:
    """Where MLflow itself finds a dataset."""
    return str(mlflow.data.get_source(found).load())


def test_a_run_has_the_dataset_of_its_trial_once(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    found = only_dataset(run)
    content = json.loads((trial / "checkpoints/step-00000006/trial.json").read_text())
    assert (found.dataset.name, found.dataset.digest) == ("photos", content["dataset_digest"][:36])
    assert profile_of(found) == {"training_images": 489, "image_size": 32}
    assert path_of(found) == str(PHOTOS)
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
    # A transfer that died before its tags were written is repeated.
    for tag, value in (("dataset_digest", ""), ("step", "0")):
        tracker.client.set_tag(run.info.run_id, f"colorsweep.{tag}", value)
    sync(again(tracker, sweep, tracking_store[1]), trial)
    assert only_dataset(only_run(tracker.client, sweep)).to_dictionary() == found.to_dictionary()


@pytest.mark.slow
def test_a_dataset_of_ones_own_is_called_like_its_file(
    tracker: SweepTracker,
    sweep: str,
    small_npz: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(small_npz, "my pictures.npz")
    config = TrainConfig.model_validate(
        CONFIG.model_dump() | {"dataset": "npz", "dataset_path": "my pictures.npz"}
    )
    train_on(tmp_path / "trial", load(config), config)
    sync(tracker, tmp_path / "trial", config=config)
    found = only_dataset(only_run(tracker.client, sweep))
    assert (found.dataset.name, path_of(found)) == (
        "my pictures.npz",
        str(tmp_path / "my pictures.npz"),
    )
    assert profile_of(found)["training_images"] == 64


def test_a_run_has_its_source_its_user_and_its_commit(
    tracker: SweepTracker, sweep: str, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.setattr("sys.argv", ["/bin/colorsweep", "launch", "hue"])
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    assert run.data.tags["mlflow.source.name"] == "/bin/colorsweep"
    assert run.data.tags["mlflow.source.type"] == "LOCAL"
    assert run.data.tags["mlflow.user"] == run.info.user_id == getpass.getuser()
    (read,) = read_sweep(tracker.client, sweep)
    commit = run.data.tags.get("mlflow.source.git.commit")
    assert commit == read.versions.get("commit", "").removesuffix("-dirty") or None


def test_who_names_another_user_to_mlflow_is_obeyed(
    tracker: SweepTracker, sweep: str, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"mlflow.user": "ann", "team": "colour"}')
    sync(tracker, trial)
    tags = only_run(tracker.client, sweep).data.tags
    assert (tags["mlflow.user"], tags["team"]) == ("ann", "colour")


@pytest.mark.parametrize(
    ("versions", "commit", "dirty"),
    [
        ({"commit": "0123456789ab"}, "0123456789ab", "false"),
        ({"commit": "0123456789ab-dirty"}, "0123456789ab", "true"),
        ({"torch": "2.11"}, None, None),
    ],
)
def test_a_commit_is_told_without_its_mark(
    versions: dict[str, str], commit: str | None, dirty: str | None
) -> None:
    tags = commit_tags(versions)
    assert tags.get("mlflow.source.git.commit") == commit
    assert tags.get("mlflow.source.git.dirty") == dirty


@pytest.mark.slow
def test_a_run_is_named_by_what_differs_and_the_trial_keeps_its_name(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    names: dict[str, Any] = {"name": "saturation=0.5, seed=1", "run_name": "seed=1, saturation=0.5"}
    sync(tracker, trial, name="saturation=0.5, seed=1")
    assert only_run(tracker.client, sweep).info.run_name == names["name"]
    sync(again(tracker, sweep, tracking_store[1]), trial, **names)
    assert only_run(tracker.client, sweep).info.run_name == names["run_name"]
    (read,) = read_sweep(tracker.client, sweep)
    assert {name: getattr(read, name) for name in names} == names
    tracker.client.delete_tag(read.run_id, "colorsweep.name")
    (earlier,) = read_sweep(tracker.client, sweep)
    assert earlier.name == names["run_name"], "a run of an earlier version has one name"
