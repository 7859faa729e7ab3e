"""A trial's points on their way to the tracking store: each arrives once, whatever dies."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from reports.tracking import METRICS_PER_CALL, SweepTracker
from tests.support.tracked_trials import again, has_history, logged, made, only_run, sync


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
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    *,
    same_tracker: bool,
) -> None:
    sync(tracker, trial)
    client = tracker.client
    before = only_run(client, sweep)
    files = {
        p: p.stat().st_mtime_ns for p in Path(tracking_store[1]).rglob("*") if p.suffix != ".db"
    }
    sync(tracker if same_tracker else again(tracker, sweep, tracking_store[1]), trial)
    after = only_run(client, sweep)
    assert after.to_dictionary() == before.to_dictionary()
    assert logged(client, after) == made(trial)
    assert files == {
        p: p.stat().st_mtime_ns for p in tracking_store[1].rglob("*") if p.suffix != ".db"
    }


@pytest.mark.parametrize("arrived", [0, 3, 5])
def test_a_transfer_that_died_before_it_was_noted_leaves_no_duplicate(
    tracker: SweepTracker, tracking_store: tuple[str, Path], sweep: str, trial: Path, arrived: int
) -> None:
    sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    tracker.client.set_tag(run.info.run_id, "colorsweep.step", str(arrived))
    sync(again(tracker, sweep, tracking_store[1]), trial)
    run = only_run(tracker.client, sweep)
    assert logged(tracker.client, run) == made(trial)
    assert run.data.tags["colorsweep.step"] == "6"


def test_a_history_longer_than_a_call_arrives_whole(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    count = METRICS_PER_CALL
    has_history(
        trial,
        [
            {"step": step, "time": 10**12 + step, "metrics": {"a": step / 7, "b": -step, "c": 0.1}}
            for step in range(1, count + 1)
        ],
    )
    sync(tracker, trial)
    points = logged(tracker.client, only_run(tracker.client, sweep))
    assert points == made(trial)
    assert sum(map(len, points.values())) == 3 * count


def test_what_died_within_a_point_of_many_metrics_is_sent_again(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = {f"eval/{n}": n / 7 for n in range(METRICS_PER_CALL + 200)}
    has_history(trial, [{"step": 7, "time": 10**12, "metrics": numbers}])
    whole, calls = MlflowClient.log_batch, []

    def dies_at_the_second(client: MlflowClient, *args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise MlflowException("away")
        whole(client, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", dies_at_the_second)
        with pytest.raises(MlflowException):
            sync(tracker, trial)
    run = only_run(tracker.client, sweep)
    assert run.data.tags["colorsweep.step"] == "0", "what the tags say is there"
    sync(again(tracker, sweep, tracking_store[1]), trial)
    assert logged(tracker.client, only_run(tracker.client, sweep)) == made(trial)
