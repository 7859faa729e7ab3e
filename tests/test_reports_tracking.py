import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from gan import checkpoint
from gan.config import Control, TrainConfig
from gan.datasets import Dataset
from gan.errors import UserError
from gan.networks import load_generator
from gan.trainer import Trainer
from reports.tracking import (
    AWAY,
    METRICS_PER_CALL,
    Status,
    SweepTracker,
    connect,
    default_uri,
    newest_sample,
    read_sweep,
    sweeps,
)

CONFIG = TrainConfig(
    base_channels=4,
    batch_size=8,
    steps=6,
    eval_images=12,
    log_every=2,
    evaluate_every=3,
    controls={"saturation": Control(target=0.5, weight=20)},
)
LONGER = CONFIG.model_copy(update={"steps": 12})
Points = dict[str, list[tuple[int, float, int]]]


@pytest.fixture(scope="module")
def finished(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a trial of 6 steps."""
    directory = tmp_path_factory.mktemp("finished") / CONFIG.key()
    assert Trainer(CONFIG, photos, torch.device("cpu")).fit(directory)
    return directory


@pytest.fixture
def trial(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A SQLite store, and the directory of its artifacts. A new one takes seconds to make."""
    runs = tmp_path_factory.mktemp("runs")
    return default_uri(runs), runs


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    """A sweep of the test's own."""
    return str(request.node.name)


@pytest.fixture
def tracker(store: tuple[str, Path], sweep: str) -> SweepTracker:
    return SweepTracker(store[0], sweep, store[1])


def again(tracker: SweepTracker, sweep: str, runs: Path) -> SweepTracker:
    """A tracker that knows of a sweep only what the store does."""
    return SweepTracker(tracker.client.tracking_uri, sweep, runs)


def sync(
    tracker: SweepTracker,
    directory: Path,
    status: Status = "FINISHED",
    config: TrainConfig = CONFIG,
    **changes: Any,
) -> None:
    values = {"key": CONFIG.key(), "name": "saturation=0.5", "index": 0, **changes}
    tracker.sync(config=config, directory=directory, status=status, **values)


def only_run(client: MlflowClient, sweep: str) -> Run:
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def logged(client: MlflowClient, run: Run) -> Points:
    """Every point that the store has, by metric, as (step, value, time)."""
    return {
        name: sorted((m.step, m.value, m.timestamp) for m in history)
        for name in run.data.metrics
        if (history := client.get_metric_history(run.info.run_id, name))
    }


def made(directory: Path) -> Points:
    """Every point that the trial's newest checkpoint has, likewise."""
    newest = sorted((directory / "checkpoints").iterdir())[-1]
    points: Points = {}
    for point in json.loads((newest / "trial.json").read_text())["history"]:
        for name, value in point["metrics"].items():
            points.setdefault(name, []).append((point["step"], value, point["time"]))
    return points


def artifacts(client: MlflowClient, run: Run) -> dict[str, bytes]:
    """Every file of a run."""
    root = Path(client.download_artifacts(run.info.run_id, ""))
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def train_on(directory: Path, photos: Dataset, config: TrainConfig = LONGER) -> None:
    assert Trainer(config, photos, torch.device("cpu")).fit(directory)


# What a run shows


def test_every_point_of_a_trial_arrives_once(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    points = logged(tracker.client, only_run(tracker.client, sweep))
    assert points == made(trial)
    assert [step for step, *_ in points["loss/l1"]] == [2, 4, 6]
    assert [step for step, *_ in points["eval/saturation_error"]] == [3, 6]


@pytest.mark.parametrize("same_tracker", [True, False])
def test_a_repeated_transfer_changes_nothing(
    tracker: SweepTracker,
    store: tuple[str, Path],
    sweep: str,
    trial: Path,
    *,
    same_tracker: bool,
) -> None:
    sync(tracker, trial)
    client = tracker.client
    before = only_run(client, sweep)
    files = {p: p.stat().st_mtime_ns for p in Path(store[1]).rglob("*") if p.suffix != ".db"}
    sync(tracker if same_tracker else again(tracker, sweep, store[1]), trial)
    after = only_run(client, sweep)
    assert after.to_dictionary() == before.to_dictionary()
    assert logged(client, after) == made(trial)
    assert files == {p: p.stat().st_mtime_ns for p in store[1].rglob("*") if p.suffix != ".db"}


@pytest.mark.parametrize("arrived", [0, 3, 5])
def test_a_transfer_that_died_before_it_was_noted_leaves_no_duplicate(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path, arrived: int
) -> None:
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    tracker.client.set_tag(run.info.run_id, "colorsweep.step", str(arrived))
    sync(again(tracker, sweep, store[1]), trial)
    run = only_run(tracker.client, sweep)
    assert logged(tracker.client, run) == made(trial)
    assert run.data.tags["colorsweep.step"] == "6"


def test_a_history_longer_than_a_call_arrives_whole(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    newest = checkpoint.newest(trial)
    assert newest is not None
    files = {p.name: p.read_bytes() for p in newest.iterdir() if p.name != checkpoint.MANIFEST}
    content = json.loads(files[checkpoint.TRIAL])
    count = METRICS_PER_CALL
    content["history"] = [
        {"step": step, "time": 10**12 + step, "metrics": {"a": step / 7, "b": -step, "c": 0.1}}
        for step in range(1, count + 1)
    ]
    content |= {"step": count, "total_steps": count}
    checkpoint.write(trial, count, {**files, checkpoint.TRIAL: json.dumps(content).encode()})
    sync(tracker, trial)
    points = logged(tracker.client, only_run(tracker.client, sweep))
    assert points == made(trial)
    assert sum(map(len, points.values())) == 3 * count


def test_a_trial_is_found_again_by_its_key(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial, "RUNNING")
    other = CONFIG.model_copy(update={"seed": 1})
    sync(tracker, trial, "RUNNING", other, key=other.key(), name="seed=1", index=1)
    later = again(tracker, sweep, store[1])
    for key, name in ((CONFIG.key(), "saturation=0.5"), (other.key(), "seed=1")):
        found = later.run_of(key)
        assert found is not None
        assert (found.key, found.name, found.step) == (key, name, 6)
        assert found.run_id == getattr(tracker.run_of(key), "run_id", None)
    assert later.run_of("another") is None


def test_samples_and_generator_can_be_downloaded_and_used(
    tracker: SweepTracker, sweep: str, trial: Path, tmp_path: Path
) -> None:
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    found = artifacts(tracker.client, run)
    newest = trial / "checkpoints" / "step-00000006"
    assert found == {
        "samples/step-00000003.png": (trial / "samples" / "step-00000003.png").read_bytes(),
        "samples/step-00000006.png": (trial / "samples" / "step-00000006.png").read_bytes(),
        "generator/generator.safetensors": (newest / "generator.safetensors").read_bytes(),
        "generator/config.json": (newest / "config.json").read_bytes(),
    }
    fetched = tracker.client.download_artifacts(run.info.run_id, "generator", str(tmp_path))
    lightness = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        colours = [load_generator(path)(lightness) for path in (Path(fetched), newest)]
    assert torch.equal(*colours)


def test_a_generator_is_sent_when_the_trial_is_finished(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial, "RUNNING")
    files = artifacts(tracker.client, only_run(tracker.client, sweep))
    assert {Path(name).parent.name for name in files} == {"samples"}


def test_the_newest_sample_is_that_of_the_last_evaluation(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    (run,) = read_sweep(tracker.client, sweep)
    last = (trial / "samples" / "step-00000006.png").read_bytes()
    assert newest_sample(tracker.client, run) == last


def test_a_trial_without_a_checkpoint_has_a_run_without_points(
    tracker: SweepTracker, sweep: str, tmp_path: Path
) -> None:
    sync(tracker, tmp_path / "nothing", "RUNNING")
    (run,) = read_sweep(tracker.client, sweep)
    assert (run.status, run.step, run.metrics) == ("RUNNING", 0, {})
    assert newest_sample(tracker.client, run) is None


def test_a_runs_status_follows_the_trials(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    seen = []
    steps: list[tuple[Status, str]] = [
        ("RUNNING", ""),
        ("KILLED", ""),
        ("RUNNING", ""),
        ("FAILED", "loss/l1 became nan"),
        ("FINISHED", ""),
    ]
    for status, reason in steps:
        sync(again(tracker, sweep, store[1]), trial, status, reason=reason)
        run = only_run(tracker.client, sweep)
        (read,) = read_sweep(tracker.client, sweep)
        seen.append((run.info.status, read.reason))
        assert read.status == run.info.status
    assert seen == steps


def test_params_say_what_makes_the_trial_and_not_how_long_it_is(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    params = only_run(tracker.client, sweep).data.params
    given = {
        "dataset": "photos",
        "base_channels": "4",
        "batch_size": "8",
        "image_size": "32",
        "seed": "0",
        "saturation.target": "0.5",
        "saturation.weight": "20.0",
    }
    assert given.items() <= params.items()
    assert not {"steps", "epochs", "controls"} & params.keys()


def test_a_run_is_read_back_as_it_was_written(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial, name="a name", index=3)
    (run,) = read_sweep(tracker.client, sweep)
    content = json.loads((trial / "checkpoints/step-00000006/trial.json").read_text())
    assert run.config == CONFIG
    assert (run.key, run.name, run.index) == (CONFIG.key(), "a name", 3)
    assert (run.step, run.total_steps, run.epoch) == (6, 6, content["epoch"])
    assert (run.seconds, run.device) == (content["seconds"], content["device"])
    assert run.metrics == {name: points[-1][1] for name, points in made(trial).items()}


def test_a_finished_trial_that_is_trained_further_goes_on_in_the_same_run(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path, photos: Dataset
) -> None:
    sync(tracker, trial)
    before = only_run(tracker.client, sweep)
    tracker = again(tracker, sweep, store[1])
    sync(tracker, trial, "RUNNING", LONGER)
    train_on(trial, photos)
    sync(tracker, trial, "FINISHED", LONGER)
    run = only_run(tracker.client, sweep)
    assert (run.info.run_id, run.info.status) == (before.info.run_id, "FINISHED")
    points = logged(tracker.client, run)
    assert points == made(trial)
    assert [step for step, *_ in points["eval/mae"]] == [3, 6, 9, 12]
    files = artifacts(tracker.client, run)
    assert sum(name.startswith("samples/") for name in files) == 4
    newest = trial / "checkpoints" / "step-00000012" / "generator.safetensors"
    assert files["generator/generator.safetensors"] == newest.read_bytes()
    (read,) = read_sweep(tracker.client, sweep)
    assert (read.step, read.total_steps, read.config) == (12, 12, LONGER)


def test_a_sweep_is_read_in_its_order_also_when_the_order_changes(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    configs = [CONFIG.model_copy(update={"seed": seed}) for seed in range(3)]
    for order in ([2, 0, 1], [1, 2, 0]):
        for index, n in enumerate(order):
            config = configs[n]
            sync(tracker, trial, "RUNNING", config, key=config.key(), name=f"{n}", index=index)
        assert [run.name for run in read_sweep(tracker.client, sweep)] == [str(n) for n in order]


def test_an_unknown_sweep_is_refused_with_those_that_are(
    tracker: SweepTracker, store: tuple[str, Path], sweep: str
) -> None:
    client = connect(store[0])
    assert sweep in sweeps(client)
    with pytest.raises(UserError, match=f"nothing: no such sweep; there are: .*{sweep}"):
        read_sweep(client, "nothing")


def test_a_store_is_below_the_runs_unless_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_uri(Path("runs")) == f"sqlite:///{tmp_path}/runs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert default_uri(Path("runs")) == "http://tracking:5000"


# A server, and a wire to it that fails


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
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of an MLflow server, and its log: started first, since it takes a while."""
    directory = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{directory}/mlflow.db"]
    command += ["--artifacts-destination", str(directory / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        yield port, directory / "log"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def server(starting: tuple[int, Path]) -> int:
    """The port of the server, which answers."""
    port, log = starting
    until = time.monotonic() + 180
    while not answers(port):
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)
    return port


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def wire(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A whole wire; MLflow's client tries once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with Wire(server) as wire:
        yield wire
        wire.shutdown()


@pytest.fixture
def remote(wire: Wire, sweep: str, tmp_path: Path) -> SweepTracker:
    return SweepTracker(wire.uri, sweep, tmp_path)


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
    sync(remote, trial, "RUNNING", LONGER)
    wire.cut = True
    train_on(trial, photos)
    for _ in range(2):
        with pytest.raises(AWAY):
            sync(remote, trial, "FINISHED", LONGER)
    wire.cut = False
    sync(again(remote, sweep, tmp_path) if restarted else remote, trial, "FINISHED", LONGER)
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.status == "FINISHED"
    assert len(artifacts(remote.client, run)) == 6


def test_nothing_is_asked_of_a_server_when_there_is_no_news(
    wire: Wire, remote: SweepTracker, trial: Path
) -> None:
    sync(remote, trial)
    wire.cut = True
    sync(remote, trial)
    with pytest.raises(AWAY):
        sync(remote, trial, "RUNNING")


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
    with pytest.raises(AWAY):
        sync(remote, trial)
    assert not wire.lost
    sync(again(remote, sweep, tmp_path) if restarted else remote, trial)
    run = only_run(remote.client, sweep)
    assert logged(remote.client, run) == made(trial)
    assert run.info.status == "FINISHED"
    assert run.data.params["saturation.target"] == "0.5"
    assert len(artifacts(remote.client, run)) == 4


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
