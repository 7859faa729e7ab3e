"""Nodes that do not share the launch's directory; with Ray: tests/system/test_ray_dies.py."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.driver import monitor as monitor_module
from orchestrator.driver.live_view import LiveView
from orchestrator.driver.monitor import Monitor
from orchestrator.driver.tracking_sync import TrackingSync
from orchestrator.store import local_sweep
from orchestrator.store.events import TrialEvent
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase
from tests.support.tasks import run_here, task_of
from tests.support.trackers import tracker_of
from tests.support.trainings import small


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (local_sweep, monitor_module):
        monkeypatch.setattr(module, "PATIENCE", 0.0)


def held(runs: Path) -> LocalSweep:
    store = LocalSweep(runs, "some")
    store.directory.mkdir(parents=True)
    return store


def copied_before(store: LocalSweep, elsewhere: Path) -> Path:
    """What a node has that was given a copy before the launch."""
    return Path(shutil.copytree(store.root, elsewhere)) / "sweeps" / "some"


def missing(store: LocalSweep, elsewhere: Path) -> Path:
    return elsewhere / "sweeps" / "some"


@pytest.mark.slow
@pytest.mark.parametrize("view", [copied_before, missing])
@pytest.mark.usefixtures("impatient")
def test_a_directory_without_the_token_of_this_launch_is_another(
    small_npz: Path, tmp_path: Path, view: Callable[[LocalSweep, Path], Path]
) -> None:
    store = held(tmp_path / "runs")
    config = small(small_npz, steps=2)
    with store.hold("", print):
        pass  # an earlier launch
    seen = view(store, tmp_path / "elsewhere")
    with store.hold("", print):
        fields = store.task_fields(config.key())
        phase, reason = run_here(task_of(config, seen / config.key(), **fields))
        assert phase == "failed"
        assert "\n" not in reason
        for words in (str(seen), socket.gethostname(), "all nodes", "--storage s3://"):
            assert words in reason
        assert not (seen / config.key()).exists()
        here = task_of(config, store.directory / config.key(), **fields)
        assert run_here(here) == ("finished", "")


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_a_trial_is_finished_only_when_the_launch_sees_its_checkpoint(
    small_npz: Path, tmp_path: Path
) -> None:
    store = held(tmp_path / "runs")
    config = small(small_npz, steps=4)
    trial = Trial("one", config.key(), config)
    view = LiveView(Console(quiet=True))
    tracking = TrackingSync(tracker_of(f"sqlite:///{tmp_path}/m.db", "some", tmp_path), view.say)
    monitor = Monitor([trial], store, view, tracking)

    monitor.on_event(TrialEvent(trial.key, TrialPhase.FINISHED))
    row = view.rows[trial.key]
    assert row.phase is TrialPhase.FAILED
    assert str(store.directory / trial.key) in row.reason

    shorter = config.model_copy(update={"steps": 2})
    for config_of, phase in ((shorter, TrialPhase.FAILED), (config, TrialPhase.FINISHED)):
        assert run_here(task_of(config_of, store.directory / trial.key)) == ("finished", "")
        monitor.on_event(TrialEvent(trial.key, TrialPhase.FINISHED))
        assert view.rows[trial.key].phase is phase
    tracking.close()
