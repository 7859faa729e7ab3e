"""Fixtures of trials in stores: a plugin, so that tests of the engine run without it.

Where only what ``gan`` needs is installed, the tests on a GPU run by
``pytest -p no:tests.support.stores tests/gan/test_cuda*.py``.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gan.data.datasets import Dataset
from gan.training.trainer import Trainer
from orchestrator.store.object_store import ObjectStore
from orchestrator.worker import upload
from reports.store import default_uri
from reports.tracking import SweepTracker
from tests.support.s3 import Server
from tests.support.tracked_trials import CONFIG
from tests.support.trackers import tracker_of


@pytest.fixture(scope="session")
def finished(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a trial of 6 steps."""
    directory = tmp_path_factory.mktemp("finished") / CONFIG.key()
    assert Trainer(CONFIG, photos, torch.device("cpu")).fit(directory)
    return directory


@pytest.fixture
def trial(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of S3, in a process of its own."""
    server = Server(tmp_path_factory.mktemp("server") / "log")
    yield server
    server.end()


@pytest.fixture
def uri(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty store there, with scratch directories of the test's own."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(upload, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(upload, "LOOK_SECONDS", 0.5)
    yield server.new_bucket()
    server.resume()
    server.allow()


@pytest.fixture
def store(uri: str) -> ObjectStore:
    return ObjectStore(uri)


@pytest.fixture(scope="module")
def tracking_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A SQLite store, and the directory of its artifacts."""
    runs = tmp_path_factory.mktemp("runs")
    return default_uri(runs), runs


@pytest.fixture
def tracker(tracking_store: tuple[str, Path], sweep: str) -> SweepTracker:
    return tracker_of(tracking_store[0], sweep, tracking_store[1])
