"""Metrics of a launch as a real Prometheus has them, and the queries of the dashboard."""

import json
import re
import shutil
import signal
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from gan import checkpoint
from gan.training.progress import newest_metrics
from orchestrator.driver.grafana import DASHBOARD
from orchestrator.store.attempts import goodput, restarts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from reports.phase import TrialPhase
from tests.support import dashboard
from tests.support.dashboard import Target
from tests.support.processes import Launch, on_small
from tests.support.prometheus import PROMETHEUS, Prometheus
from tests.support.watched_launch import (
    EXPORT_SECONDS,
    SWEEP,
    Watched,
    is_of_absent_gpus,
    watch,
)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        PROMETHEUS is None,
        reason="metrics are tested with Prometheus, and there is none (prometheus in Debian)",
    ),
]


@pytest.fixture(scope="module")
def watched(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    sweep = tmp_path_factory.mktemp("sweeps") / "gauges.yaml"
    sweep.write_text(on_small(small_npz, SWEEP))
    runs = tmp_path_factory.mktemp("runs")
    # Ray's sockets are below it: their paths must be short.
    temporary = Path(tempfile.mkdtemp(prefix="cs", dir="/tmp"))
    launch = Launch(
        runs,
        sweep,
        RAY_TMPDIR=str(temporary),
        RAY_metrics_report_interval_ms=str(1000 * EXPORT_SECONDS),
    )
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), temporary / "ray")
    try:
        with closing(prometheus):
            found = watch(launch, prometheus, expand(read_sweep(sweep)), runs, temporary / "ray")
    finally:
        launch.process.send_signal(signal.SIGINT)
        said = launch.end()
        shutil.rmtree(temporary, ignore_errors=True)
    assert said.stderr == ""
    for trial in found.trials[:2]:
        newest = checkpoint.newest(launch.directory / trial.key, checkpoint.TRIAL)
        assert newest is not None
        found.histories.append(newest.trial["history"])
    return found


def between(least: float, value: float, most: float) -> None:
    assert least <= value <= most


@pytest.mark.parametrize("index", [0, 1])
def test_gauges_of_progress_lie_between_the_logs_before_and_after(
    watched: Watched, index: int
) -> None:
    trial = watched.trials[index]
    before, after = watched.before.log[index][-1], watched.after.log[index][-1]
    durable = watched.before.durable[index], watched.after.durable[index]
    assert after.step > before.step > 0
    between(before.step, watched.of("step", trial), after.step)
    between(durable[0], watched.of("durable_step", trial), durable[1])
    between(before.checkpoints, watched.of("checkpoint_seconds", trial), after.checkpoints)
    # The first attempt's time that counts precedes that of the second.
    earlier = watched.after.log[index][0].counted
    between(before.counted, watched.of("seconds", trial), earlier + after.counted)
    assert watched.of("total_steps", trial) == 1_000_000
    assert watched.of("evaluation_seconds", trial) == 0
    rate = 8 * (after.step - before.step) / (after.counted - before.counted)
    between(0, watched.of("images_per_second", trial), 10 * rate)


@pytest.mark.parametrize("index", [0, 1])
def test_losses_and_evaluations_are_those_of_the_history(watched: Watched, index: int) -> None:
    trial, history = watched.trials[index], watched.histories[index]
    error = ["saturation_error"] if trial.config.controls else []
    of_trial = {"key": trial.key}.items()
    measured = [s for s in watched.gauges["evaluation"] if of_trial <= s.labels.items()]
    assert sorted(s.labels["metric"] for s in measured) == ["mae", "psnr", *error]
    losses = [s for s in watched.gauges["loss"] if of_trial <= s.labels.items()]
    terms = {f"loss/{s.labels['term']}" for s in losses}
    assert terms == {name for name in newest_metrics(history) if name.startswith("loss/")}
    shown = {f"eval/{s.labels['metric']}": s.value for s in measured}
    shown |= {f"loss/{s.labels['term']}": s.value for s in losses}
    for name, value in shown.items():
        assert value in {point["metrics"].get(name) for point in history}, name


def test_restarts_are_those_of_the_logs(watched: Watched) -> None:
    of_logs = [restarts(log) for log in watched.after.log]
    assert of_logs == [1, 1]
    assert [watched.of("restarts_total", trial) for trial in watched.trials[:2]] == of_logs


def test_every_phase_has_its_number_of_trials(watched: Watched) -> None:
    counted = {s.labels["phase"]: s.value for s in watched.gauges["trials"]}
    running = {"running": 2, "waiting": 1}
    assert counted == {phase.value: running.get(phase, 0) for phase in TrialPhase}


def test_goodput_is_that_of_the_logs(watched: Watched) -> None:
    (found,) = watched.gauges["goodput"]
    ends = goodput(watched.before.log), goodput(watched.after.log)
    assert None not in ends
    least, most = sorted(end or 0 for end in ends)
    between(least - 0.02, found.value, most + 0.02)


def test_gauges_stay_while_a_training_tells_nothing(watched: Watched) -> None:
    # One scrape a second; a busy machine misses some, but with a gauge that vanished 9 of 12 would.
    assert [s.value >= 3 * EXPORT_SECONDS for s in watched.paused] == [True, True]


def test_gauges_of_a_stopped_trial_vanish(watched: Watched) -> None:
    # The third trial may have taken its place.
    stopped, goes_on, _ = (trial.key for trial in watched.trials)
    shown = {series.labels["key"] for series in watched.trials_after_stop}
    assert goes_on in shown
    assert stopped not in shown


@pytest.mark.parametrize("target", dashboard.targets(), ids=str)
def test_every_query_of_the_dashboard_has_a_result(watched: Watched, target: Target) -> None:
    found = watched.panels[target]
    if is_of_absent_gpus(target):
        assert found == []
        return
    assert found
    for series in found:
        assert {*re.findall(r"\{\{(\w+)\}\}", target.legend)} <= {*series.labels}
    assert watched.panels_of_this_sweep[target]


def test_a_kill_costs_the_steps_since_the_checkpoint_and_their_time(watched: Watched) -> None:
    of_panel = {t.panel: found for t, found in watched.panels.items()}
    steps, seconds = (of_panel[f"Cost of a kill now, {unit}"] for unit in ("steps", "seconds"))
    assert len(steps) == len(seconds) == 2
    for index, trial in enumerate(watched.trials[:2]):
        (lost,) = (s.value for s in steps if s.labels["key"] == trial.key)
        (time_lost,) = (s.value for s in seconds if s.labels["key"] == trial.key)
        between(0, lost, watched.after.log[index][-1].step - watched.before.durable[index])
        mean = watched.of("seconds", trial) / watched.of("step", trial)
        assert time_lost == pytest.approx(lost * mean, rel=0.5, abs=30 * mean)


def test_the_variables_offer_the_session_and_the_sweep(watched: Watched) -> None:
    assert watched.variables == {"SessionName": [watched.session], "sweep": ["gauges"]}


def test_the_launch_puts_the_dashboard_where_rays_metrics_page_shows_it(watched: Watched) -> None:
    found = {name: json.loads(content)["uid"] for name, content in watched.provisioned.items()}
    assert len({*found.values()}) == len(found), "two dashboards with one uid"
    assert watched.provisioned["data_grafana_dashboard.json"] == DASHBOARD.read_bytes()
