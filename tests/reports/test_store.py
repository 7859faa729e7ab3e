"""What is read back from a tracking store."""

from pathlib import Path

from gan.evaluation.metric_names import EXACT_PREFIX
from reports.store import read_sweep
from reports.tracking import SweepTracker
from tests.support.tracked_trials import only_run, sync


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
