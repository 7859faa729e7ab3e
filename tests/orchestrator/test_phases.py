"""Phases and steps that are the same on every screen, whenever a sweep was stopped."""

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from gan.training.progress import Progress
from orchestrator.driver.live_view import LiveView
from orchestrator.driver.monitor import Monitor
from orchestrator.driver.ray_tune import _correct
from orchestrator.driver.tracking_sync import TrackingSync, send_trial
from orchestrator.store.attempts import AttemptLog, attempts
from orchestrator.store.events import TrialEvent
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.manifest import write_manifest
from orchestrator.store.prune_marker import PruneMarker, pruning_terms, write_marker
from orchestrator.store.trial_state import TrialState, states_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, expand
from orchestrator.worker.stop_signal import StopReason, StopSignal
from reports.phase import TrialPhase
from reports.tracking import SweepTracker
from tests.support.cli import tiny
from tests.support.cli_flags import call
from tests.support.tasks import run_here, task_of
from tests.support.tracked_trials import run_of

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture
def spec(small_npz: Path) -> SweepSpec:
    Path("tiny.yaml").write_text(f"{tiny(small_npz, 6)}points: [{{}}, {{saturation: 0.5}}]")
    return read_sweep(Path("tiny.yaml"))


@pytest.fixture
def store() -> LocalSweep:
    store = LocalSweep(Path("runs"), "tiny")
    store.directory.mkdir(parents=True)
    return store


def train(store: LocalSweep, trial: Trial) -> tuple[str, str]:
    return run_here(task_of(trial.config, store.directory / trial.key))


def status() -> dict[str, dict[str, object]]:
    found = json.loads(call("status", "tiny", "--json").stdout)
    return {trial["name"]: trial for trial in found["trials"]}


@pytest.mark.slow
def test_a_trial_that_was_asked_to_stop_before_it_began_waits(
    spec: SweepSpec, store: LocalSweep
) -> None:
    trials = expand(spec)
    baseline, steered, _ = trials
    write_manifest(store.directory, trials)
    store.ask_to_stop()
    assert train(store, baseline) == ("waiting", "")
    assert not attempts(store.directory / baseline.key)
    store.forget_stop()
    store.ask_to_stop(steered.key)
    assert train(store, steered) == ("waiting", "")
    assert {found["phase"] for found in status().values()} == {"waiting"}
    assert train(store, baseline) == ("finished", "")
    store.ask_to_stop()
    longer = baseline.config.model_copy(update={"steps": 9})
    ended = run_here(task_of(longer, store.directory / baseline.key))
    assert ended == ("stopped", ""), "it has begun"


@pytest.mark.slow
@pytest.mark.parametrize("phase", [TrialPhase.WAITING, TrialPhase.DIED, TrialPhase.STOPPED])
def test_a_trial_that_a_launch_did_not_come_to_is_as_it_was(
    spec: SweepSpec,
    store: LocalSweep,
    tracker: SweepTracker,
    sweep: str,
    phase: TrialPhase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial, *_ = expand(spec)
    view = LiveView(Console(file=io.StringIO()))
    tracking = TrackingSync(tracker, view.say)
    monitor = Monitor([trial], store, view, tracking)
    monkeypatch.setattr(TrialState, "phase", phase)
    monitor.starts_from(trial.key, TrialState())
    for each in (TrialPhase.STARTING, TrialPhase.WAITING):
        monitor.on_event(TrialEvent(trial.key, each))
    assert tracking.close() == 0
    assert view.rows[trial.key].phase is phase
    run = run_of(tracker.client, sweep, trial.key)
    assert (run.data.tags["colorsweep.phase"], run.info.status) == (phase, phase.run_status)


@pytest.mark.slow
def test_a_recoloured_trial_claims_no_steps(
    spec: SweepSpec, store: LocalSweep, tracker: SweepTracker, sweep: str
) -> None:
    trials = expand(spec)
    write_manifest(store.directory, trials)
    baseline, _, moved = trials
    (waiting,) = (line for line in call("status", "tiny").stdout.splitlines() if "recol" in line)
    wanted = ("?", "of", "0.50")
    assert waiting.split() == ["recoloured,", "saturation=0.5", "waiting", *wanted]
    for trial in (baseline, moved):
        assert train(store, trial) == ("finished", "")
    assert states_of(spec, trials, Path("runs"))[moved.key].step == 6, "it is the baseline's"
    (row,) = (line for line in call("status", "tiny").stdout.splitlines() if "recol" in line)
    assert "finished" in row.split()
    assert "/" not in row
    steps = ("step", "durable_step", "total_steps")
    assert [status()[moved.name][name] for name in steps] == [0, 0, 0]
    assert [status()[baseline.name][name] for name in steps] == [6, 6, 6]
    plan = json.loads(call("launch", "tiny.yaml", "--dry-run", "--json").stdout)
    planned = plan["trials"][-1]
    assert (planned["phase"], planned["step"], planned["steps"]) == ("finished", 0, 0)
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text().replace("steps: 6", "steps: 9"))
    longer = json.loads(call("launch", "tiny.yaml", "--dry-run", "--json").stdout)["trials"][-1]
    assert (longer["phase"], longer["step"], longer["steps"]) == ("waiting", 0, 0)
    for index, trial in enumerate((baseline, moved)):
        send_trial(trial, trial.name, index, store, TrialPhase.FINISHED, "", tracker)
    of_training = ("total_steps", "epoch", "seconds", "step_seconds")
    for trial, claimed in ((baseline, True), (moved, False)):
        tags = run_of(tracker.client, sweep, trial.key).data.tags
        assert [float(tags[f"colorsweep.{name}"]) > 0 for name in of_training] == [claimed] * 4


@pytest.mark.slow
def test_a_file_that_asks_for_fewer_steps_than_stopped_trials_have_ends_them(
    spec: SweepSpec, store: LocalSweep
) -> None:
    trials = expand(spec)
    baseline, _, moved = trials
    write_manifest(store.directory, trials)
    assert train(store, baseline) == train(store, moved) == ("finished", "")
    longer, stop = baseline.config.model_copy(update={"steps": 90}), StopSignal()

    def ask(progress: Progress) -> None:
        if progress.step > 6:
            stop.set(StopReason.USER)

    assert run_here(task_of(longer, store.directory / baseline.key), ask, stop)[0] == "stopped"
    found = states_of(spec, trials, Path("runs"))
    at = found[baseline.key].step
    assert 6 < at < 90
    assert [found[key].phase for key in (baseline.key, moved.key)] == ["stopped", "waiting"]
    assert [status()[trial.name]["phase"] for trial in (baseline, moved)] == ["stopped", "waiting"]
    assert train(store, baseline) == train(store, moved) == ("finished", "")
    found = states_of(spec, trials, Path("runs"))
    assert [found[key].step for key in (baseline.key, moved.key)] == [at, at], "a pair again"
    assert [found[key].phase for key in (baseline.key, moved.key)] == ["finished", "finished"]
    assert "eval/fitted_mae" in found[baseline.key].metrics


def test_a_trial_that_fell_behind_while_it_was_stopped_is_pruned(
    small_npz: Path, store: LocalSweep, tracker: SweepTracker
) -> None:
    asha = "objective: {metric: mae}\nscheduler: {name: asha, grace_steps: 2}\n"
    Path("tiny.yaml").write_text(f"{tiny(small_npz, 6)}points: [{{}}, {{saturation: 0.5}}]\n{asha}")
    spec = read_sweep(Path("tiny.yaml"))
    trials = expand(spec)
    write_manifest(store.directory, trials)
    view = LiveView(Console(file=io.StringIO()))
    tracking = TrackingSync(tracker, view.say)
    monitor = Monitor(trials, store, view, tracking)
    for trial in trials[:2]:
        stopped = TrialEvent(trial.key, TrialPhase.STOPPED)
        AttemptLog(store.directory / trial.key, time.time()).write(stopped)
        monitor.on_event(stopped)
    late = trials[1]
    terms = pruning_terms(spec, late.config)
    write_marker(store.directory / late.key, PruneMarker(2, "mae", 0.2, 0.2, "asha", terms))
    view.rows[late.key].step = 5  # a worker told of it, and it was lost
    _correct(spec, trials, store, monitor)
    assert view.rows[late.key].step == 0
    assert tracking.close() == 0
    shown = {key: row.phase.value for key, row in view.rows.items()}
    assert shown == {found["key"]: found["phase"] for found in status().values()}
    assert list(shown.values()) == ["stopped", "pruned", "waiting"]
