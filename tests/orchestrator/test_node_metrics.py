"""Use of a trial's node, from the training to the tracking store."""

import time
from collections import deque
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.driver.tracking_sync import send_samples, send_trial
from orchestrator.store.events import NodeSample, TrialEvent
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.sweep.trials import Trial
from orchestrator.worker.node_metrics import sampler, unavailable
from orchestrator.worker.run import run
from orchestrator.worker.stop_signal import StopSignal
from reports.phase import TrialPhase
from reports.tracking import SweepTracker
from tests.support.cli import TEXT, assert_refused
from tests.support.cli_flags import call
from tests.support.tasks import task_of
from tests.support.tracked_trials import CONFIG, logged, made, only_run


def events_of(directory: Path) -> list[TrialEvent]:
    """What the worker tells of a training."""
    events: list[TrialEvent] = []
    events.append(run(task_of(CONFIG, directory), time.time(), events.append, StopSignal()))
    assert events[-1].phase is TrialPhase.FINISHED
    return events


@pytest.mark.slow
def test_a_training_tells_how_its_node_is_used_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0")
    began = time.time() * 1000
    found = [event.node for event in events_of(tmp_path / "trial") if event.node is not None]
    assert found
    for sample in found:
        assert began <= sample.time <= time.time() * 1000
        assert 0 <= sample.step <= 6
        use = {name.removeprefix("system/"): value for name, value in sample.metrics.items()}
        assert 0 <= use["cpu_utilization_percentage"] <= 100
        everything = psutil.virtual_memory().total / 1e6
        of_trial, of_node = (
            use["trial_memory_usage_megabytes"],
            use["system_memory_usage_megabytes"],
        )
        assert 0 < of_trial <= everything
        assert 0 < of_node <= everything
    now = psutil.Process().memory_info().rss / 1e6
    assert found[-1].metrics["system/trial_memory_usage_megabytes"] == pytest.approx(now, rel=0.5)


@pytest.mark.slow
def test_nothing_is_sampled_without_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", raising=False)
    assert [event.node for event in events_of(tmp_path / "trial") if event.node] == []
    assert unavailable() is None


@pytest.mark.parametrize("interval", ["often", "nan", "-1", "inf"])
@pytest.mark.parametrize("command", ["launch", "train"])
def test_an_interval_that_is_no_number_is_refused_before_anything_starts(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, command: str, interval: str
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", interval)
    Path("tiny.yaml").write_text(TEXT)
    arguments = {"launch": ["tiny.yaml"], "train": ["--steps", "6"]}[command]
    said = f"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL: '{interval}' is not a number of seconds"
    assert_refused(call(command, *arguments), said)
    assert [file.name for file in workplace.iterdir()] == ["tiny.yaml"]


@pytest.mark.slow
def test_a_node_with_a_wrong_interval_fails_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "often")
    assert not [event.node for event in events_of(tmp_path / "trial") if event.node]
    (line,) = caplog.messages
    assert "'often' is not a number of seconds); training goes on" in line


@pytest.mark.slow
def test_measuring_that_fails_is_told_once_and_fails_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path / "absent"))
    assert not [event.node for event in events_of(tmp_path / "trial") if event.node]
    (line,) = caplog.messages
    assert line.startswith("the use of the node is not measured (")


def test_a_gpu_that_cannot_be_asked_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if torch.cuda.is_available():
        pytest.skip("has a GPU, which answers")
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0")
    node = sampler(on_gpu=True)
    assert node is not None
    assert [node.sample(step) for step in (1, 2, 3)] == [None] * 3
    (line,) = caplog.messages
    assert line.startswith("the use of the node is not measured (")


@pytest.mark.slow
def test_samples_arrive_once_though_an_answer_is_lost(
    tracker: SweepTracker, sweep: str, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = deque(NodeSample(10**12 + n, n, {"system/x": n / 8}) for n in range(3))
    store = LocalSweep(trial.parent, "some")
    store.directory = trial.parent
    whole = MlflowClient.log_batch
    lost = [True]

    def loses_an_answer(client: MlflowClient, *args: Any, **kwargs: Any) -> None:
        whole(client, *args, **kwargs)
        if any(metric.key == "system/x" for metric in kwargs["metrics"]) and lost:
            lost.clear()
            raise MlflowException("away")

    def send() -> None:
        point = Trial("a trial", CONFIG.key(), CONFIG)
        send_trial(point, "a trial", 0, store, TrialPhase.FINISHED, "", tracker)
        send_samples(point.key, samples, tracker)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", loses_an_answer)
        with pytest.raises(MlflowException):
            send()
        assert len(samples) == 3
        send()
    assert not samples
    points = logged(tracker.client, only_run(tracker.client, sweep))
    assert points.pop("system/x") == [(n, n / 8, 10**12 + n) for n in range(3)]
    assert points == made(trial)
