"""A trial's points on their way to the tracking store: each arrives once, whatever dies."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from gan.config import TrainConfig
from gan.control import Control
from gan.data.datasets import Dataset, load
from gan.errors import UserError
from gan.training.progress import EVALUATION
from gan.training.trainer import Trainer
from reports.phase import TrialPhase
from reports.tracking import METRICS_PER_CALL, SweepTracker
from tests.support.tracked_trials import (
    CONFIG,
    LONGER,
    again,
    artifacts,
    has_history,
    logged,
    made,
    only_run,
    sync,
    train_on,
)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("recolour", [False, True])
def test_a_final_evaluation_where_a_longer_training_stopped_arrives(
    tracker: SweepTracker, sweep: str, photos: Dataset, tmp_path: Path, *, recolour: bool
) -> None:
    moved = {"recolour": True, "controls": {"saturation": Control(target=0.5, weight=0)}}
    changes = moved if recolour else {}
    shorter, long = (config.model_copy(update=changes) for config in (CONFIG, LONGER))
    longer = Trainer(long, photos, torch.device("cpu"))
    assert not longer.fit(tmp_path, should_stop=lambda: longer.training.step == 9)
    for phase in (TrialPhase.STOPPED, TrialPhase.STARTING):
        sync(tracker, tmp_path, phase, long)
    assert "eval/fitted_mae" not in only_run(tracker.client, sweep).data.metrics
    with pytest.raises(UserError, match="no sound checkpoint of the last step"):
        sync(tracker, tmp_path, config=shorter)
    train_on(tmp_path, photos, shorter)
    for phase in (TrialPhase.RUNNING, TrialPhase.FINISHED, TrialPhase.FINISHED):
        sync(tracker, tmp_path, phase, shorter)
        run = only_run(tracker.client, sweep)
        assert logged(tracker.client, run) == made(tmp_path)
        assert "eval/fitted_mae" in run.data.metrics
        assert run.data.tags["colorsweep.step"] == "9"
    grid = artifacts(tracker.client, run)["samples/step-00000009.png"]
    assert grid == (tmp_path / "samples" / "step-00000009.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("config", [CONFIG, LONGER], ids=["as long", "longer"])
def test_an_evaluation_in_which_a_training_was_stopped_arrives_once_it_is_made(
    tracker: SweepTracker, sweep: str, photos: Dataset, tmp_path: Path, config: TrainConfig
) -> None:
    stopped = Trainer(CONFIG, photos, torch.device("cpu"))
    assert not stopped.fit(tmp_path, should_stop=lambda: stopped.training.step == 6)
    sync(tracker, tmp_path, TrialPhase.STOPPED)
    run = only_run(tracker.client, sweep)
    assert run.data.tags["colorsweep.step"] == "6"
    assert [step for step, *_ in logged(tracker.client, run)["eval/mae"]] == [3]
    train_on(tmp_path, photos, config)
    sync(tracker, tmp_path, config=config)
    run = only_run(tracker.client, sweep)
    assert logged(tracker.client, run) == made(tmp_path)
    assert [step for step, *_ in logged(tracker.client, run)["eval/mae"]][:2] == [3, 6]


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
            {
                "step": step,
                "time": 10**12 + step,
                "metrics": {EVALUATION: 0.1, "a": step / 7, "b": -step},
            }
            for step in range(1, count + 1)
        ],
    )
    sync(tracker, trial)
    points = logged(tracker.client, only_run(tracker.client, sweep))
    assert points == made(trial)
    assert sum(map(len, points.values())) == 3 * count


@pytest.mark.slow
def test_what_died_within_a_point_of_many_metrics_is_sent_again(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = {EVALUATION: 0.1} | {f"eval/{n}": n / 7 for n in range(METRICS_PER_CALL + 200)}
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


@pytest.mark.slow
@pytest.mark.parametrize("pictures", ["others", "the same"])
@pytest.mark.parametrize("same_tracker", [True, False])
def test_a_trial_that_is_trained_anew_gets_a_run_of_its_own_points(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    photos: Dataset,
    small_npz: Path,
    pictures: str,
    *,
    same_tracker: bool,
) -> None:
    sync(tracker, trial)
    before = only_run(tracker.client, sweep)
    shutil.rmtree(trial)
    others = load(TrainConfig(steps=1, batch_size=8, dataset="npz", dataset_path=str(small_npz)))
    train_on(trial, others if pictures == "others" else photos, CONFIG)
    sync(tracker if same_tracker else again(tracker, sweep, tracking_store[1]), trial)
    run = only_run(tracker.client, sweep)
    assert run.info.run_id != before.info.run_id
    assert logged(tracker.client, run) == made(trial)
    sample = (trial / "samples" / "step-00000006.png").read_bytes()
    assert artifacts(tracker.client, run)["samples/step-00000006.png"] == sample
    digests = [each.data.tags["colorsweep.dataset_digest"] for each in (before, run)]
    assert (digests[0] == digests[1]) == (pictures == "the same")


@pytest.mark.slow
def test_a_trial_that_goes_on_from_an_older_checkpoint_keeps_its_run(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    photos: Dataset,
) -> None:
    sync(tracker, trial)
    before = only_run(tracker.client, sweep).info.run_id
    train_on(trial, photos)
    sync(tracker, trial, TrialPhase.FINISHED, LONGER)
    shutil.rmtree(trial / "checkpoints" / "step-00000012")
    tracker = again(tracker, sweep, tracking_store[1])
    sync(tracker, trial, TrialPhase.RUNNING, LONGER)
    train_on(trial, photos)
    sync(tracker, trial, TrialPhase.FINISHED, LONGER)
    run = only_run(tracker.client, sweep)
    assert run.info.run_id == before
    assert [step for step, *_ in logged(tracker.client, run)["eval/mae"]] == [3, 6, 9, 12]


@pytest.mark.slow
def test_a_run_of_an_earlier_version_is_kept(
    tracker: SweepTracker,
    tracking_store: tuple[str, Path],
    sweep: str,
    trial: Path,
    photos: Dataset,
) -> None:
    sync(tracker, trial)
    before = only_run(tracker.client, sweep).info.run_id
    tracker.client.delete_tag(before, "colorsweep.began")
    train_on(trial, photos)
    sync(again(tracker, sweep, tracking_store[1]), trial, TrialPhase.FINISHED, LONGER)
    run = only_run(tracker.client, sweep)
    assert run.info.run_id == before
    assert logged(tracker.client, run) == made(trial)
