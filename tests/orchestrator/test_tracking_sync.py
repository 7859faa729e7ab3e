"""Updates of the tracking store, and trials that need none."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gan.config import TrainConfig
from gan.data.datasets import Dataset
from orchestrator.driver.tracking_sync import Send, TrackingSync, send_trial
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase
from reports.tracking import SweepTracker
from tests.support.tracked_trials import CONFIG, again, logged, made, only_run, train_on
from tests.support.trackers import tracker_of


class Sweep(LocalSweep):
    """A sweep of one directory, that counts how often it, or a generator, is looked at."""

    def __init__(self, trial: Path) -> None:
        super().__init__(trial.parent, "some")
        self.directory = trial.parent
        self.looked = self.generators = 0

    def refresh(self, key: str, *, generator: bool = False) -> None:
        self.looked += 1
        self.generators += generator


def sending(
    sweep: Sweep,
    phase: TrialPhase,
    name: str = "a trial",
    index: int = 0,
    config: TrainConfig = CONFIG,
    key: str = CONFIG.key(),
) -> Send:
    return partial(send_trial, Trial(name, key, config), name, index, sweep, phase, "")


def tracker_in(directory: Path) -> SweepTracker:
    return tracker_of(f"sqlite:///{directory}/mlflow.db", "some", directory)


@pytest.mark.slow
def test_a_run_that_is_finished_is_not_looked_at_again(trial: Path, tmp_path: Path) -> None:
    tracker, sweep = tracker_in(tmp_path), Sweep(trial)
    send = sending(sweep, TrialPhase.FINISHED)
    send(tracker)
    assert sweep.looked == 1
    send(tracker)
    send(again(tracker, "some", tmp_path))
    assert sweep.looked == 1

    sending(sweep, TrialPhase.FINISHED, index=1)(tracker)
    assert (sweep.looked, sweep.generators) == (2, 1)
    assert only_run(tracker.client, "some").data.tags["colorsweep.index"] == "1"


@pytest.mark.slow
def test_a_run_that_is_finished_is_looked_at_again_if_the_trial_was_trained_anew(
    trial: Path, tmp_path: Path, photos: Dataset
) -> None:
    tracker, sweep = tracker_in(tmp_path), Sweep(trial)
    send = sending(sweep, TrialPhase.FINISHED)
    send(tracker)
    shutil.rmtree(trial)
    train_on(trial, photos, CONFIG)
    send(again(tracker, "some", tmp_path))
    assert sweep.looked == 2
    assert logged(tracker.client, only_run(tracker.client, "some")) == made(trial)


@pytest.mark.slow
def test_a_run_that_was_finished_is_told_of_more_steps(trial: Path, tmp_path: Path) -> None:
    tracker, sweep = tracker_in(tmp_path), Sweep(trial)
    sending(sweep, TrialPhase.FINISHED)(tracker)
    longer = CONFIG.model_copy(update={"steps": 12})
    sending(sweep, TrialPhase.RUNNING, config=longer)(tracker)
    assert only_run(tracker.client, "some").info.status == "RUNNING"


@pytest.mark.slow
def test_one_run_that_cannot_be_written_keeps_no_other_from_being_sent(
    trial: Path, tmp_path: Path
) -> None:
    tracker, sweep = tracker_in(tmp_path), Sweep(trial)
    first: dict[str, Any] = {"name": "first", "key": "f" * 16}
    sending(sweep, TrialPhase.RUNNING, **first)(tracker)
    tracker.client.delete_run(only_run(tracker.client, "some").info.run_id)
    said: list[str] = []
    tracking = TrackingSync(tracker, said.append)
    tracking.put("f" * 16, sending(sweep, TrialPhase.FINISHED, **first))
    tracking.put(CONFIG.key(), sending(sweep, TrialPhase.FINISHED, name="second", index=1))
    assert tracking.close() == 1
    assert only_run(tracker.client, "some").info.run_name == "second"
    (line,) = said
    assert "; training goes on, sent later" in line
