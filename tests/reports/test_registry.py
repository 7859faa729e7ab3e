"""Finished generators as versions of a registered model."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.model.stored_generator import load_generator
from orchestrator.cli import main
from reports.experiments import Client
from reports.owner import known_owner
from reports.phase import TrialPhase
from reports.registry import Registered, register
from reports.store import connect, default_uri
from tests.support.saved_generators import config, steered, track, vivid
from tests.support.tracked_trials import sync
from tests.support.trackers import tracker_of

BASELINE, HUE, ANY = config(), steered(hue=0.6), config(controls={"saturation": {"min": 0.25}})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three finished trials, and one that runs."""
    runs = tmp_path_factory.mktemp("store") / "runs"
    track(runs, "hue", "baseline", BASELINE)
    track(runs, "hue", "hue=0.6", HUE)
    track(runs, "hue", "saturation=0.25..", ANY)
    track(runs, "hue", "hue=0.1", steered(hue=0.1), TrialPhase.RUNNING)
    track(runs, "begun", "hue=0.1", steered(hue=0.1), TrialPhase.RUNNING)
    return runs


@pytest.fixture
def client(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{runs}/mlflow.db")
    return connect(default_uri(runs), known_owner(runs))


def versions(client: Client) -> dict[int, ModelVersion]:
    """The versions of the sweep's model by number."""
    found = client.search_model_versions("name = 'hue'")
    return {int(each.version): each for each in found}


def downloaded(config: TrainConfig) -> Path:
    """What MLflow itself gives for the alias of a trial."""
    return Path(download_artifacts(f"models:/hue@{config.key()}"))


@pytest.mark.slow
def test_each_finished_trial_is_a_version_with_its_targets(client: Client) -> None:
    assert register(client, "hue").trials == 3
    found = versions(client)
    shown = ("colorsweep.name", "hue", "saturation")
    assert [tuple(found[n].tags.get(tag) for tag in shown) for n in (1, 2, 3)] == [
        ("baseline", None, None),
        ("hue=0.6", "0.6", None),
        ("saturation=0.25..", None, "0.25 to 1"),
    ]
    for number, trial in enumerate([BASELINE, HUE, ANY], 1):
        run = client.get_run(found[number].run_id or "")
        assert run.data.tags["colorsweep.key"] == trial.key()
        loaded = load_generator(downloaded(trial)).state_dict()
        assert loaded.keys() == vivid(trial).state_dict().keys()
        assert all(torch.equal(loaded[k], v) for k, v in vivid(trial).state_dict().items())


@pytest.mark.slow
def test_a_second_time_changes_nothing_and_mends_what_a_kill_left(client: Client) -> None:
    register(client, "hue")
    before = versions(client)
    aliases = client.get_registered_model("hue").aliases
    assert register(client, "hue").new == 0
    client.delete_registered_model_alias("hue", HUE.key())  # as after a kill before it was set
    assert register(client, "hue") == Registered("hue", 0, 3, [])
    assert {n: dict(v) for n, v in versions(client).items()} == {
        n: dict(v) for n, v in before.items()
    }
    assert client.get_registered_model("hue").aliases == aliases


@pytest.mark.slow
def test_a_newer_generator_of_a_trial_is_a_new_version(runs: Path, client: Client) -> None:
    register(client, "hue")
    before = versions(client)
    (old,) = [each for each in before.values() if each.tags.get("colorsweep.key") == HUE.key()]
    directory = runs / "sweeps" / "hue" / HUE.key()
    newest = checkpoint.newest(directory)
    assert newest is not None
    weights = checkpoint.unpack(newest.files[checkpoint.GENERATOR])
    newer = {name: tensor + 1 for name, tensor in weights.items()}
    last = newest.trial["history"][-1] | {"step": 7}
    trial = newest.trial | {"step": 7, "total_steps": 7, "history": [last]}
    content = checkpoint.pack(newer)
    files = {checkpoint.GENERATOR: content, checkpoint.TRIAL: json.dumps(trial).encode()}
    checkpoint.write(directory, 7, {**newest.files, **files})
    sync(
        tracker_of(client.tracking_uri, "hue", runs),
        directory,
        config=HUE,
        key=HUE.key(),
        name="hue=0.6",
        index=1,
    )
    assert register(client, "hue") == Registered("hue", 1, 3, [])
    after = versions(client)
    (added,) = after.keys() - before.keys()
    assert after[added].tags["hue"] == "0.6"
    assert after[int(old.version)].tags["colorsweep.replaced_by"] == str(added)
    assert (downloaded(HUE) / checkpoint.GENERATOR).read_bytes() == content


def test_a_model_of_another_is_left_alone(client: Client, runs: Path) -> None:
    track(runs, "theirs", "hue=0.6", HUE)
    client.create_registered_model("theirs")
    with pytest.raises(UserError, match=r"^theirs: the registry has a model of this name"):
        register(client, "theirs")
    assert not client.search_model_versions("name = 'theirs'")


def test_a_name_that_the_registry_refuses_is_one_line(client: Client, runs: Path) -> None:
    track(runs, "hue: 1", "hue=0.6", HUE)
    with pytest.raises(UserError, match=r"^hue: 1: cannot be registered .*cannot contain"):
        register(client, "hue: 1")


def test_nothing_is_registered_before_a_trial_is_finished(
    runs: Path, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = ["--runs", str(runs), "report", "begun", "--register", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'index.html'}\n")
    assert "begun: no generator to register yet" in done.stderr
    assert not client.search_registered_models("name = 'begun'")


def test_a_report_registers_on_request(
    runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    track(runs, "small", "hue=0.6", HUE)
    command = ["--runs", str(runs), "report", "small", "--register", "--out", str(tmp_path)]
    for new in (1, 0):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0
        line = f"registered: 1 generator as a version of the model 'small', {new} of them new"
        assert line in done.stderr
