"""A tracking server, and a wire to it that fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts

from gan.data.datasets import Dataset
from reports.phase import TrialPhase
from reports.registry import Registered, register
from reports.store import STORE_ERRORS, read_sweep
from reports.tracking import SweepTracker
from tests.support.servers import TrackingServer
from tests.support.tracked_trials import (
    LONGER,
    again,
    artifacts,
    logged,
    made,
    only_run,
    sync,
    train_on,
)
from tests.support.trackers import tracker_of
from tests.support.wire import Wire

LOST = ["runs/create", "/artifacts", "runs/log-inputs", "runs/log-batch", "runs/update"]
"""The requests of a trial whose answers are lost, one after the other."""


@pytest.fixture(scope="module", autouse=True)
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """An MLflow server: started first, since it takes a while."""
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(starting: TrackingServer) -> int:
    """The port of the server, which answers."""
    starting.wait()
    return starting.port


@pytest.fixture
def wire(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A whole wire; MLflow's client tries once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with Wire(server) as wire:
        yield wire
        wire.shutdown()


@pytest.fixture
def remote(wire: Wire, sweep: str, tmp_path: Path) -> SweepTracker:
    return tracker_of(wire.uri, sweep, tmp_path)


def test_a_server_gets_all_that_a_file_does(
    remote: SweepTracker,
    sweep: str,
    trial: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sync(remote, trial)
    sync(again(remote, sweep, tmp_path), trial)
    assert capfd.readouterr() == ("", ""), "the screen is the live view's"
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert sorted(artifacts(remote.client, run)) == [
        "generator/SHA256SUMS",
        "generator/config.json",
        "generator/generator.safetensors",
        "samples/step-00000003.png",
        "samples/step-00000006.png",
    ]
    assert not (tmp_path / "mlartifacts").exists(), "a server keeps the artifacts"


@pytest.mark.parametrize("restarted", [False, True], ids=["same tracker", "new tracker"])
def test_what_a_server_missed_is_made_up_for(
    wire: Wire,
    remote: SweepTracker,
    sweep: str,
    trial: Path,
    photos: Dataset,
    tmp_path: Path,
    *,
    restarted: bool,
) -> None:
    sync(remote, trial, TrialPhase.RUNNING, LONGER)
    wire.cut = True
    train_on(trial, photos)
    for _ in range(2):
        with pytest.raises(STORE_ERRORS):
            sync(remote, trial, TrialPhase.FINISHED, LONGER)
    wire.cut = False
    sync(
        again(remote, sweep, tmp_path) if restarted else remote, trial, TrialPhase.FINISHED, LONGER
    )
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.status == "FINISHED"
    assert len(artifacts(remote.client, run)) == 7


def test_nothing_is_asked_of_a_server_when_there_is_no_news(
    wire: Wire, remote: SweepTracker, trial: Path
) -> None:
    sync(remote, trial)
    wire.cut = True
    sync(remote, trial)
    with pytest.raises(STORE_ERRORS):
        sync(remote, trial, TrialPhase.RUNNING)


@pytest.mark.parametrize("restarted", [False, True], ids=["same tracker", "new tracker"])
def test_lost_answers_double_nothing_and_lose_nothing(
    wire: Wire,
    remote: SweepTracker,
    sweep: str,
    trial: Path,
    tmp_path: Path,
    *,
    restarted: bool,
) -> None:
    tracker = remote
    for request in LOST:
        wire.lost = [request]
        with pytest.raises(STORE_ERRORS):
            sync(tracker, trial)
        assert not wire.lost
        if restarted:
            tracker = again(remote, sweep, tmp_path)
    sync(tracker, trial)
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.status == "FINISHED"
    assert run.data.params["saturation.target"] == "0.5"
    assert len(artifacts(remote.client, run)) == 5
    assert run.inputs is not None
    (found,) = run.inputs.dataset_inputs
    assert found.dataset.name == "photos"


def test_a_creation_that_the_client_itself_repeats_is_one_trial(
    wire: Wire,
    remote: SweepTracker,
    sweep: str,
    trial: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    wire.lost = ["runs/create"]
    sync(remote, trial)
    assert not wire.lost
    sync(again(remote, sweep, tmp_path), trial)
    (read,) = read_sweep(remote.client, sweep)
    assert (read.step, read.status) == (6, "FINISHED")


def test_a_server_registers_each_generator_once(
    remote: SweepTracker, sweep: str, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(remote, trial)
    for new in (1, 0):
        assert register(remote.client, sweep) == Registered(sweep, new, 1, [])
    client = remote.client
    monkeypatch.setenv("MLFLOW_TRACKING_URI", client.tracking_uri)
    fetched = download_artifacts(f"models:/{sweep}/1")
    newest = trial / "checkpoints" / "step-00000006" / "generator.safetensors"
    assert (Path(fetched) / newest.name).read_bytes() == newest.read_bytes()
    assert len(client.search_model_versions(f"name = '{sweep}'")) == 1
