from pathlib import Path

import pytest
import torch

from gan.errors import UserError
from reports.experiments import sweeps
from reports.phase import TrialPhase
from reports.store import (
    Launched,
    connect,
    curve,
    default_uri,
    last_launch,
    read_sweep,
)
from reports.tracking import SweepTracker, log_report
from tests.support.tracked_trials import (
    CONFIG,
    again,
    artifacts,
    made,
    only_run,
    runs_of,
    sync,
)


def test_a_sweep_is_read_in_its_order_also_when_the_order_changes(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    configs = [CONFIG.model_copy(update={"seed": seed}) for seed in range(3)]
    for order in ([2, 0, 1], [1, 2, 0]):
        for index, n in enumerate(order):
            config = configs[n]
            sync(
                tracker,
                trial,
                TrialPhase.RUNNING,
                config,
                key=config.key(),
                name=f"{n}",
                index=index,
            )
        assert [run.name for run in read_sweep(tracker.client, sweep)] == [str(n) for n in order]


def test_an_unknown_sweep_is_refused_with_those_that_are(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str
) -> None:
    client = connect(tracking_store[0])
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


def test_a_trial_that_left_the_sweep_is_read_on_demand_and_not_left_running(
    tracker: SweepTracker, sweep: str, trial: Path, tracking_store: tuple[str, Path]
) -> None:
    sync(tracker, trial, TrialPhase.RUNNING)
    tracker.leave_out(CONFIG.key())
    assert only_run(tracker.client, sweep).info.status == "KILLED"
    assert read_sweep(tracker.client, sweep) == []
    (run,) = read_sweep(tracker.client, sweep, left_out=True)
    assert run.key == CONFIG.key()
    tracker.leave_out(CONFIG.key(), "as shown now")
    assert only_run(tracker.client, sweep).info.run_name == "as shown now"
    sync(again(tracker, sweep, tracking_store[1]), trial, TrialPhase.FINISHED)
    (run,) = read_sweep(tracker.client, sweep)
    assert (run.index, run.status) == (0, "FINISHED")


def test_a_curve_has_every_point_by_step(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    (run,) = read_sweep(tracker.client, sweep)
    assert curve(tracker.client, run, "eval/mae") == [
        (step, value) for step, value, _ in made(trial)["eval/mae"]
    ]
    assert curve(tracker.client, run, "eval/nothing") == []


def test_a_sweep_says_how_it_was_launched_last(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str
) -> None:
    assert last_launch(tracker.client, sweep) == Launched("", 0)
    for command, trials in (("colorsweep launch one", 1), ("colorsweep launch 'another one'", 200)):
        tracker.note_launch(Launched(command, trials))
        assert last_launch(tracker.client, sweep) == Launched(command, trials)
    again(tracker, sweep, tracking_store[1])
    assert last_launch(tracker.client, sweep) == Launched(command, trials)


def test_a_run_says_what_it_was_made_with_and_what_it_went_through(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial, restarts=3, goodput=0.75)
    (run,) = read_sweep(tracker.client, sweep)
    assert run.versions["torch"] == torch.__version__.split("+")[0]
    assert len(run.dataset_digest) == 64
    assert (run.restarts, run.goodput, run.sweep) == (3, 0.75, sweep)


def test_a_report_is_kept_once_and_is_no_trial(
    tracker: SweepTracker, sweep: str, trial: Path, tmp_path: Path
) -> None:
    sync(tracker, trial)
    for text in (b"a page", b"the page"):
        report = {"index.html": text, "images/plot.png": b"a plot"}
        run_id = log_report(tracker.client, sweep, report)
    kept = [run for run in runs_of(tracker.client, sweep) if run.info.run_name == "report"]
    assert [run.info.run_id for run in kept] == [run_id]
    assert artifacts(tracker.client, kept[0]) == {
        "report/index.html": b"the page",
        "report/images/plot.png": b"a plot",
    }
    assert [run.name for run in read_sweep(tracker.client, sweep)] == ["saturation=0.5"]
