"""What is read back from a tracking store."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gan.errors import UserError
from gan.evaluation.metric_names import EXACT_PREFIX
from reports.experiments import sweeps
from reports.fetch import samples
from reports.store import connect, default_uri, read_sweep
from reports.tracking import SweepTracker
from tests.support.tracked_trials import only_run, sync
from tests.support.trackers import tracker_of


@pytest.mark.slow
def test_of_a_trial_that_is_trained_on_only_the_last_evaluation_counts(
    tracker: SweepTracker, sweep: str, trial: Path
) -> None:
    sync(tracker, trial)
    (before,) = read_sweep(tracker.client, sweep)
    assert f"eval/{EXACT_PREFIX}mae" in before.metrics, "the last evaluation measures both ways"
    run_id = only_run(tracker.client, sweep).info.run_id
    tracker.client.log_metric(run_id, "eval/mae", 0.125, step=9)
    tracker.client.log_metric(run_id, "loss/l1", 1.5, step=8)
    (after,) = read_sweep(tracker.client, sweep)
    assert {k: v for k, v in after.metrics.items() if k.startswith("eval/")} == {"eval/mae": 0.125}
    assert after.metrics.keys() - {"eval/mae"} == {k for k in before.metrics if "eval/" not in k}
    assert after.metrics["loss/l1"] == 1.5


OPEN = """
import sys
from pathlib import Path
from reports.store import connect, default_uri
from tests.support.trackers import tracker_of
print("ready", flush=True)
sys.stdin.readline()
connect(uri := default_uri(Path(sys.argv[1])))
tracker_of(uri, sys.argv[2], Path(sys.argv[1]))
"""


def test_a_damaged_store_is_there_but_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as store:
        store.execute("CREATE TABLE some (thing)")
    store.close()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    uri, reason = default_uri(tmp_path), r".* cannot be read \(.*malformed\)$"
    with pytest.raises(UserError, match=f"^--runs: {uri}{reason}"):
        connect(uri, to_read=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=f"^MLFLOW_TRACKING_URI: {uri}{reason}"):
        connect(uri, to_read=True)


@pytest.mark.slow
def test_two_processes_may_make_a_store_at_once(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in ("one", "two")
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in both:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors
    assert sweeps(connect(f"sqlite:///{tmp_path}/mlflow.db")) == ["one", "two"]
    assert not [*tmp_path.glob(".mlflow*")], "nothing is left"


@pytest.mark.slow
def test_a_directory_may_have_both_kinds_of_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: Path
) -> None:
    odd = tmp_path / 'it\'s "ours" :x # \\'
    odd.mkdir()
    monkeypatch.chdir(odd)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    connect(uri := default_uri(Path("runs")))
    tracker = tracker_of(uri, 'it\'s "mine"', Path("runs"))
    sync(tracker, trial)
    (found,) = read_sweep(tracker.client, 'it\'s "mine"')
    (grids,) = samples(tracker.client, [(found, 1)])
    assert grids.keys() == {6}
    assert [path.name for path in odd.iterdir()] == ["runs"]
