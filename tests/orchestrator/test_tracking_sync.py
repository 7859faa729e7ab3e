"""What the tracking store is told of a trial, and when it need not be."""

from dataclasses import replace
from pathlib import Path

from orchestrator.driver.tracking_sync import Sender, Transfer
from orchestrator.sweep.trials import Trial
from reports.tracking import SweepTracker
from tests.support.tracked_trials import CONFIG, again, only_run


def test_a_run_that_is_finished_is_not_looked_at_again(trial: Path, tmp_path: Path) -> None:
    tracker = SweepTracker(f"sqlite:///{tmp_path}/mlflow.db", "some", tmp_path)
    looked: list[str] = []
    transfer = Transfer(
        Trial("a trial", CONFIG.key(), CONFIG),
        index=0,
        directory=trial,
        status="FINISHED",
        refresh=lambda: looked.append("again"),
    )
    transfer.send(tracker)
    assert len(looked) == 1
    transfer.send(tracker)
    transfer.send(again(tracker, "some", tmp_path))
    assert len(looked) == 1

    replace(transfer, index=1).send(tracker)
    assert len(looked) == 2
    assert only_run(tracker.client, "some").data.tags["colorsweep.index"] == "1"


def test_a_run_that_was_finished_is_told_of_more_steps(trial: Path, tmp_path: Path) -> None:
    tracker = SweepTracker(f"sqlite:///{tmp_path}/mlflow.db", "some", tmp_path)
    transfer = Transfer(Trial("a trial", CONFIG.key(), CONFIG), 0, trial, "FINISHED")
    transfer.send(tracker)
    longer = CONFIG.model_copy(update={"steps": 12})
    replace(transfer, trial=Trial("a trial", CONFIG.key(), longer), status="RUNNING").send(tracker)
    assert only_run(tracker.client, "some").info.status == "RUNNING"


def test_one_run_that_cannot_be_written_keeps_no_other_from_being_sent(
    trial: Path, tmp_path: Path
) -> None:
    tracker = SweepTracker(f"sqlite:///{tmp_path}/mlflow.db", "some", tmp_path)
    first = Transfer(Trial("first", "f" * 16, CONFIG), 0, trial, "RUNNING")
    first.send(tracker)
    tracker.client.delete_run(only_run(tracker.client, "some").info.run_id)
    said: list[str] = []
    sender = Sender(tracker, said.append)
    sender.put(replace(first, status="FINISHED"))
    sender.put(Transfer(Trial("second", CONFIG.key(), CONFIG), 1, trial, "FINISHED"))
    assert sender.close() == 1
    assert only_run(tracker.client, "some").info.run_name == "second"
    (line,) = said
    assert "; training goes on, sent later" in line
