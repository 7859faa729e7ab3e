"""Two directories that share a tracking store, each with a sweep of one name."""

import csv
import fcntl
import shutil
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from mlflow import MlflowClient

from gan import checkpoint
from gan.data.datasets import load
from gan.errors import UserError
from gan.training.progress import newest_metrics
from gan.training.trainer import Trainer
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import known_owner
from orchestrator.sweep import spec
from orchestrator.sweep.trials import Trial, expand
from reports.owner import owner_in
from reports.phase import TrialPhase
from tests.support.cli import TINY, assert_refused
from tests.support.cli_flags import call
from tests.support.tracked_trials import only_run, runs_of

HOST = socket.gethostname()
TEXT = f"settings: {{steps: 6, {TINY}, dataset: npz, dataset_path: pictures.npz}}\n"
TEXT += "points: [{saturation: 0.5}]\n"


@dataclass(frozen=True)
class Place:
    """A directory with a sweep's file, and its one trial, trained."""

    path: Path
    sweep: str
    patch: pytest.MonkeyPatch

    @property
    def file(self) -> Path:
        return self.path / f"{self.sweep}.yaml"

    def trial(self) -> Trial:
        (trial,) = expand(spec.read_sweep(self.file))
        return trial

    def call(self, *words: str) -> Result:
        self.patch.chdir(self.path)
        return call(*words)

    def launch(self) -> Result:
        """Launch, with nothing to train."""
        return self.call("launch", self.file.name)

    def achieved(self) -> float:
        """The mean saturation of the trial's colorizations, from its own directory."""
        newest = checkpoint.newest(self.path / "runs" / "sweeps" / self.sweep / self.trial().key)
        assert newest is not None
        metrics = newest_metrics(newest.trial["history"])
        return metrics["eval/saturation"]

    def reported(self) -> float:
        """The same, from the report."""
        result = self.call("report", self.sweep, "--out", "page")
        assert result.exit_code == 0, result.output
        rows = csv.DictReader((self.path / "page" / "rows.csv").read_text().splitlines())
        return next(float(r["achieved"]) for r in rows if r["way"] == "raw")


@pytest.fixture(scope="module")
def trained(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two directories, each with pictures of its own and what was trained on them."""
    found = []
    pictures = dict(np.load(small_npz))
    for name, part in {"one": pictures, "two": {k: 255 - v for k, v in pictures.items()}}.items():
        here = tmp_path_factory.mktemp(name)
        np.savez(here / "pictures.npz", **part)
        (here / "x.yaml").write_text(TEXT)
        (trial,) = expand(spec.read_sweep(here / "x.yaml"))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(here)
            trainer = Trainer(trial.config, load(trial.config), torch.device("cpu"))
            assert trainer.fit(here / "trials" / trial.key)
        found.append(here)
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of a store outside of all directories."""
    return f"sqlite:///{tmp_path_factory.mktemp('shared')}/mlflow.db"


@pytest.fixture
def client(shared: str, monkeypatch: pytest.MonkeyPatch, workplace: Path) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared)
    return MlflowClient(shared)


@pytest.fixture
def places(
    client: MlflowClient,
    trained: list[Path],
    tmp_path: Path,
    sweep: str,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Place, Place]:
    """Both, with a sweep that is named after the test."""
    made = []
    for n, original in enumerate(trained, 1):
        here = tmp_path / f"place{n}"
        shutil.copytree(original / "trials", here / "runs" / "sweeps" / sweep)
        shutil.copy(original / "pictures.npz", here)
        (here / f"{sweep}.yaml").write_text(TEXT)
        made.append(Place(here, sweep, monkeypatch))
    first, second = made
    return first, second


def tags_of(client: MlflowClient, name: str) -> dict[str, str]:
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return dict(experiment.tags)


@pytest.mark.slow
def test_a_second_launch_of_the_name_is_refused_and_changes_nothing_of_the_first(
    places: tuple[Place, Place], client: MlflowClient
) -> None:
    one, two = places
    assert one.launch().exit_code == 0
    run = only_run(client, one.sweep)
    client.set_tag(run.info.run_id, "colorsweep.phase", TrialPhase.RUNNING)
    client.update_run(run.info.run_id, status="RUNNING")
    two.file.write_text(TEXT.replace("{", "{seed: 1, "))
    refused = two.launch()
    place = f"{HOST}:{one.path / 'runs'}, since 20"
    assert_refused(refused, f"Error: {one.sweep}: ", place, f"rename {two.file.name}")
    after = only_run(client, one.sweep)
    assert (after.info.status, after.data.tags["colorsweep.index"]) == ("RUNNING", "0")


@pytest.mark.slow
def test_each_reports_its_own_once_the_second_has_renamed_its_file(
    places: tuple[Place, Place],
) -> None:
    one, two = places
    assert one.launch().exit_code == 0
    assert two.launch().exit_code == 2
    other = Place(two.path, f"{two.sweep}-mine", two.patch)
    two.file.rename(other.file)
    sweeps = two.path / "runs" / "sweeps"
    (sweeps / two.sweep).rename(sweeps / other.sweep)
    assert other.launch().exit_code == 0
    assert one.achieved() != pytest.approx(other.achieved(), abs=1e-4)
    for place in (one, other):
        assert place.reported() == pytest.approx(place.achieved(), abs=1e-6)


def test_a_training_of_anothers_name_is_refused_before_it_begins(
    places: tuple[Place, Place],
) -> None:
    one, two = places
    assert one.launch().exit_code == 0
    flags = ["--steps", "2", "--base-channels", "4", "--batch-size", "8", "--eval-images", "12"]
    flags += ["--dataset", "npz", "--dataset-path", "pictures.npz", "--seed", "7"]
    result = two.call("train", "--name", two.sweep, *flags)
    assert_refused(result, f"{HOST}:{one.path / 'runs'}", "train yours under another --name")
    sweep = two.path / "runs" / "sweeps" / two.sweep
    assert len(list(sweep.glob("*/checkpoints"))) == 1
    assert not list(sweep.glob("*/trial.json")), "status would show it"


@pytest.mark.slow
def test_a_shipped_sweep_can_be_launched_from_both(
    places: tuple[Place, Place],
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    one, two = places
    shutil.copy(one.file, tmp_path)
    monkeypatch.setattr(spec, "SHIPPED", tmp_path)
    for place in places:
        place.file.unlink()
        result = place.call("launch", place.sweep)
        assert result.exit_code == 0, result.output
        shutil.copy(tmp_path / place.file.name, place.file)
    owner = (two.path / "runs" / "owner").read_text()
    name = f"{two.sweep} ({HOST} {owner[:6]})"
    assert f"Experiment {name}\n" in result.stdout
    assert len(runs_of(client, one.sweep)) == len(runs_of(client, name)) == 1
    for place in places:
        assert place.reported() == pytest.approx(place.achieved(), abs=1e-6)
    assert two.launch().exit_code == 0, "it goes on with its own"
    assert len(runs_of(client, name)) == 1


@pytest.mark.slow
def test_a_report_is_kept_with_the_owners_sweep_alone(
    places: tuple[Place, Place], client: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = places
    assert one.launch().exit_code == 0
    assert one.reported() == pytest.approx(one.achieved(), abs=1e-6)
    assert not caplog.messages
    assert two.launch().exit_code == 2
    assert two.reported() == pytest.approx(one.achieved(), abs=1e-6)
    place = f"{HOST}:{one.path / 'runs'}, since 20"
    assert [place in line for line in caplog.messages] == [True], "what is read is another's"
    assert_refused(two.call("report", one.sweep, "--log", "--out", "kept"), place)
    assert not (two.path / "kept").exists()
    assert len(runs_of(client, one.sweep)) == 1
    assert one.call("report", one.sweep, "--log").exit_code == 0
    assert len(runs_of(client, one.sweep)) == 2


def test_a_dry_run_refuses_what_the_launch_would(places: tuple[Place, Place]) -> None:
    assert places[0].launch().exit_code == 0
    refused = places[1].call("launch", places[1].file.name, "--dry-run")
    assert (refused.exit_code, refused.stderr) == (2, places[1].launch().stderr)


def test_a_moved_directory_is_the_same_owner_and_a_copy_is_not(
    places: tuple[Place, Place], client: MlflowClient, tmp_path: Path
) -> None:
    one, _ = places
    assert one.launch().exit_code == 0
    moved = Place(tmp_path / "moved", one.sweep, one.patch)
    one.patch.chdir(tmp_path)
    one.path.rename(moved.path)
    assert moved.launch().exit_code == 0
    assert tags_of(client, one.sweep)["colorsweep.place"] == f"{HOST}:{moved.path / 'runs'}"
    copy = Place(tmp_path / "copy", one.sweep, one.patch)
    shutil.copytree(moved.path, copy.path)
    assert_refused(copy.launch(), f"{HOST}:{moved.path / 'runs'}, since 20")
    assert moved.launch().exit_code == 0


def test_a_sweep_from_before_owners_is_adopted_where_its_trials_are(
    places: tuple[Place, Place], client: MlflowClient, shared: str
) -> None:
    one, two = places
    assert one.launch().exit_code == 0
    with sqlite3.connect(shared.removeprefix("sqlite:///")) as store:
        store.execute("DELETE FROM experiment_tags WHERE key != 'colorsweep.trials'")
    store.close()
    two.file.write_text(TEXT.replace("{", "{seed: 1, "))
    shutil.rmtree(two.path / "runs" / "sweeps")
    assert_refused(two.launch(), "another directory, from before owners were recorded")
    assert one.launch().exit_code == 0
    assert tags_of(client, one.sweep)["colorsweep.place"] == f"{HOST}:{one.path / 'runs'}"


def test_all_machines_on_one_object_store_are_one_owner(uri: str, tmp_path: Path) -> None:
    assert known_owner(Locations(tmp_path / "one", uri)) is None
    first = ObjectSweep(uri, tmp_path / "one", "x").owner()
    assert ObjectSweep(uri, tmp_path / "two", "y").owner() == first
    assert known_owner(Locations(tmp_path / "three", uri)) == first
    assert first.place == uri, "no one machine's"


@pytest.mark.slow
def test_a_report_of_a_tracking_store_needs_no_answer_of_the_object_store(
    places: tuple[Place, Place], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = places
    assert one.launch().exit_code == 0
    one.patch.setenv("COLORSWEEP_STORAGE", "s3://x?endpoint_override=127.0.0.1:9&scheme=http")
    assert one.reported() == pytest.approx(one.achieved(), abs=1e-6)
    (line,) = caplog.messages
    assert "sweeps are read by their names alone" in line


def test_a_damaged_owner_of_an_object_store_is_one_line(uri: str, tmp_path: Path) -> None:
    store = ObjectSweep(uri, tmp_path, "x")
    store.storage.write("owner", b"0123456789'bcdef")
    for ask in (store.owner, store.known_owner):
        with pytest.raises(UserError, match=f"{uri}/owner: damaged: "):
            ask()


def test_of_two_first_launches_the_later_takes_the_id_of_the_earlier(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, (tmp_path / "owner").open("w") as earlier:
        fcntl.flock(earlier, fcntl.LOCK_EX)
        later = pool.submit(owner_in, tmp_path)
        with pytest.raises(TimeoutError):
            later.result(0.5)
        earlier.write("0123456789abcdef")
        earlier.flush()
        fcntl.flock(earlier, fcntl.LOCK_UN)
        assert later.result().id == "0123456789abcdef"
