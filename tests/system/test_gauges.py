"""Metrics of a launch as a real Prometheus has them, and the queries of the dashboard."""

import json
import re
import shutil
import signal
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from gan import checkpoint
from gan.checkpoint import newest_metrics
from orchestrator.driver.grafana import DASHBOARD
from orchestrator.store.attempts import Attempt, attempts, goodput, restarts
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase
from tests.support import dashboard
from tests.support.dashboard import Target
from tests.support.processes import SETTINGS, Launch, Program, on_small
from tests.support.prometheus import PROMETHEUS, Prometheus, Series

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        PROMETHEUS is None,
        reason="metrics are tested with Prometheus, and there is none (prometheus in Debian)",
    ),
]

EXPORT_SECONDS = 2
"""Between two of Ray's exports, after two of which a gauge that nobody sets has vanished."""
BEHIND_SECONDS = 2 * EXPORT_SECONDS + 3
"""By which Prometheus is behind at most: setting, exporting, scraping."""
SWEEP = f"""\
{SETTINGS}\
  steps: 1000000
  penalty_from_step: 0
objective: {{metric: psnr, mode: max}}
scheduler: {{name: median, grace_steps: 500000}}
points:
  - {{}}
  - {{saturation: 0.75}}
"""


@dataclass(frozen=True)
class Files:
    """What the directories of the two trials say at one moment."""

    log: list[list[Attempt]]
    durable: list[int]


@dataclass
class Watched:
    """Metrics of a launch with two restarts, one trial of which is stopped in the end."""

    trials: list[Trial]
    before: Files
    after: Files
    gauges: dict[str, list[Series]]
    """By name, in between."""
    panels: dict[Target, list[Series]]
    """Of every query of the dashboard with all sweeps."""
    panels_of_this_sweep: dict[Target, list[Series]]
    variables: dict[str, list[str]]
    session: str
    provisioned: dict[str, bytes]
    """Dashboards in the directory of Ray's."""
    paused: list[Series]
    """Numbers of steps' samples in a time in which one training did not tell anything."""
    trials_after_stop: list[Series] = field(default_factory=list)
    histories: list[list[dict[str, Any]]] = field(default_factory=list)
    """Of the trials at their end."""

    def of(self, name: str, trial: Trial, **labels: str) -> float:
        """The value of a gauge of a trial."""
        wanted = {"sweep": "gauges", "trial": trial.name, "key": trial.key} | labels
        (found,) = (s for s in self.gauges[name] if wanted.items() <= s.labels.items())
        return found.value


GAUGES = (
    *("step", "total_steps", "durable_step", "images_per_second", "seconds", "checkpoint_seconds"),
    *("evaluation_seconds", "loss", "evaluation", "restarts_total", "trials", "goodput"),
)


def files(directories: list[Path]) -> Files:
    durable = []
    for directory in directories:
        newest = checkpoint.newest(directory, checkpoint.TRIAL)
        assert newest is not None
        durable.append(newest.trial["step"])
    return Files([attempts(directory) for directory in directories], durable)


def label_values(prometheus: Prometheus, query: str) -> list[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match is not None, query
    return prometheus.label_values(match[2], dashboard.replaced(match[1], dashboard.all_values()))


def training_of(directory: Path) -> psutil.Process:
    return psutil.Process(attempts(directory)[-1].process)


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


def watch(
    launch: Launch, prometheus: Prometheus, trials: list[Trial], runs: Path, ray: Path
) -> Watched:
    both = trials[:2]
    directories = [launch.directory / trial.key for trial in both]
    launch.wait_for(lambda: all(launch.step_of(trial) > 20 for trial in both))
    training_of(directories[0]).kill()
    nursery = training_of(directories[1]).parent()
    assert nursery is not None
    worker = nursery.parent()
    assert worker is not None
    assert worker in launch.workers()
    worker.kill()
    prometheus.wait_for(
        "sum(ray_colorsweep_restarts_total)", lambda found: [s.value for s in found] == [2]
    )
    launch.wait_for(lambda: all(len(attempts(d)) == 2 for d in directories))
    prometheus.wait_for("ray_colorsweep_step", lambda found: len(found) == 2)
    prometheus.wait_for("ray_node_cpu_utilization", bool)

    before = files(directories)
    time.sleep(BEHIND_SECONDS)
    gauges = {name: prometheus.query(f"ray_colorsweep_{name}") for name in GAUGES}
    everything = dashboard.all_values()
    chosen = everything | {"sweep": "gauges"}
    panels = [
        {t: prometheus.query(dashboard.replaced(t.expression, v)) for t in dashboard.targets()}
        for v in (everything, chosen)
    ]
    after = files(directories)

    # As in a long evaluation, nothing is told of one training.
    training = training_of(directories[0])
    training.suspend()
    time.sleep(5 * EXPORT_SECONDS)
    paused = prometheus.query(f"count_over_time(ray_colorsweep_step[{4 * EXPORT_SECONDS}s])")
    training.resume()

    provisioned = {
        file.name: file.read_bytes()
        for file in (ray / "session_latest/metrics/grafana/dashboards").iterdir()
    }
    found = Watched(
        trials,
        before,
        after,
        gauges,
        panels[0],
        panels[1],
        {
            variable["name"]: label_values(prometheus, variable["query"]["query"])
            for variable in dashboard.variables()
            if variable["type"] == "query"
        },
        (ray / "session_latest").resolve().name,
        provisioned,
        paused,
    )
    Program("--runs", runs, "stop", "gauges", both[0].key).end()
    stopped = 'ray_colorsweep_trials{phase="stopped"}'
    prometheus.wait_for(stopped, lambda found: [s.value for s in found] == [1])
    time.sleep(BEHIND_SECONDS)
    found.trials_after_stop = prometheus.query("ray_colorsweep_step")
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
    # One scrape a second; a busy machine may miss some, but a gauge that vanished would miss half.
    assert [s.value >= 4 * EXPORT_SECONDS * 3 / 4 for s in watched.paused] == [True, True]


def test_gauges_of_a_stopped_trial_vanish(watched: Watched) -> None:
    # The third trial may have taken its place.
    stopped, goes_on, _ = (trial.key for trial in watched.trials)
    shown = {series.labels["key"] for series in watched.trials_after_stop}
    assert goes_on in shown
    assert stopped not in shown


@pytest.mark.parametrize("target", dashboard.targets(), ids=str)
def test_every_query_of_the_dashboard_has_a_result(watched: Watched, target: Target) -> None:
    found = watched.panels[target]
    if "gpus" in target.expression and not torch.cuda.is_available():
        assert found == []
        return
    assert found
    for series in found:
        assert {*re.findall(r"\{\{(\w+)\}\}", target.legend)} <= {*series.labels}
    of_this_sweep = watched.panels_of_this_sweep[target]
    assert [s.labels for s in of_this_sweep] == [s.labels for s in found]


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
