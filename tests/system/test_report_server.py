"""A report of a sweep on a tracking server that answers late."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gan import checkpoint
from reports.phase import TrialPhase
from reports.read import read_report
from reports.store import STORE_ERRORS, connect
from tests.support.servers import TrackingServer
from tests.support.tracked_trials import CONFIG, made, sync
from tests.support.trackers import tracker_of
from tests.support.wire import Wire

NAMES = [f"seed={seed}" for seed in range(8)]
CONFIGS = [CONFIG.model_copy(update={"seed": seed, "l1_weight": 50.0 + seed}) for seed in range(8)]


@pytest.fixture(scope="module", autouse=True)
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """An MLflow server: started first, since it takes a while."""
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wire(
    starting: TrackingServer, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    """A wire to a server with the sweep ``eight``."""
    starting.wait()
    tracker = tracker_of(starting.uri, "eight", tmp_path_factory.mktemp("runs"))
    for index, (name, config) in enumerate(zip(NAMES, CONFIGS, strict=True)):
        sync(
            tracker, finished, TrialPhase.RUNNING, config, key=config.key(), name=name, index=index
        )
    with Wire(starting.port) as wire:
        yield wire
        wire.shutdown()


def test_requests_overlap_and_what_they_bring_keeps_its_order(wire: Wire, finished: Path) -> None:
    wire.pause = 0.05
    wire.seconds.clear()
    client = connect(wire.uri, to_read=True)
    began = time.monotonic()
    read = read_report(client, ["eight"], left_out=False)
    taken = time.monotonic() - began
    assert len(wire.seconds) > 8 * 5, "pictures and curves of eight trials"
    assert taken < sum(wire.seconds) / 2
    assert [run.key for run in read.shown] == [config.key() for config in CONFIGS]
    sampled = {step: checkpoint.sample_file(finished, step).read_bytes() for step in (3, 6)}
    points = [(step, value) for step, value, _ in made(finished)["eval/mae"]]
    for run in read.shown:
        assert read.grids[run.run_id] == sampled
        assert read.curves[run.run_id]["eval/mae"] == points


def test_an_answer_that_is_lost_ends_the_report_with_its_error(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = connect(wire.uri, to_read=True)
    wire.lost = ["samples/step-00000006.png"]
    with pytest.raises(STORE_ERRORS, match=r"step-00000006\.png|closed connection"):
        read_report(client, ["eight"], left_out=False)
    assert not wire.lost
