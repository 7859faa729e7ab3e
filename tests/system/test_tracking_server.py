"""A tracking server, and a wire to it that fails."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from gan.data.datasets import Dataset
from reports.phase import TrialPhase
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


class Wire(ThreadingHTTPServer):
    """Passes requests on to a server, and can be made to fail."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.to = port
        self.cut = False
        self.lost: list[str] = []
        """Requests to them arrive; the first answer of each does not."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    unsent: ClassVar = {"transfer-encoding", "content-length", "connection", "date", "server"}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.pass_on
        raise AttributeError(name)

    def pass_on(self) -> None:
        wire = cast(Wire, self.server)
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if wire.cut:
            return
        connection = http.client.HTTPConnection("127.0.0.1", wire.to, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        for path in wire.lost:
            if path in self.path:
                wire.lost.remove(path)
                return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in self.unsent:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


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


@pytest.mark.parametrize("request_", ["runs/create", "runs/log-batch", "runs/update", "/artifacts"])
@pytest.mark.parametrize("restarted", [False, True], ids=["same tracker", "new tracker"])
def test_a_lost_answer_doubles_nothing_and_loses_nothing(
    wire: Wire,
    remote: SweepTracker,
    sweep: str,
    trial: Path,
    tmp_path: Path,
    request_: str,
    *,
    restarted: bool,
) -> None:
    wire.lost = [request_]
    with pytest.raises(STORE_ERRORS):
        sync(remote, trial)
    assert not wire.lost
    sync(again(remote, sweep, tmp_path) if restarted else remote, trial)
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.status == "FINISHED"
    assert run.data.params["saturation.target"] == "0.5"
    assert len(artifacts(remote.client, run)) == 5


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
