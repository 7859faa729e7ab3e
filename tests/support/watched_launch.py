"""A launch whose metrics a real Prometheus scrapes, through two deaths, a silence and a stop."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch

from gan import checkpoint
from orchestrator.store.attempts import Attempt, attempts
from orchestrator.sweep.trials import Trial
from tests.support import dashboard
from tests.support.cli_flags import call
from tests.support.dashboard import Target
from tests.support.processes import SETTINGS, Launch
from tests.support.prometheus import Prometheus, Series

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
    *("evaluation_seconds", "loss", "evaluation", "restarts_total"),
)
OF_SWEEP = ("trials", "goodput")


def is_of_absent_gpus(target: Target) -> bool:
    return "gpus" in target.expression and not torch.cuda.is_available()


def files(directories: list[Path]) -> Files:
    durable = []
    for directory in directories:
        newest = checkpoint.newest(directory, checkpoint.TRIAL)
        assert newest is not None
        durable.append(newest.trial["step"])
    return Files([attempts(directory) for directory in directories], durable)


def results(prometheus: Prometheus, values: dict[str, str]) -> dict[Target, list[Series]]:
    """Results of the dashboard's queries, waited for where there is to be one."""
    found = {}
    for target in dashboard.targets():
        expression = dashboard.replaced(target.expression, values)
        in_vain = is_of_absent_gpus(target)
        found[target] = (
            prometheus.query(expression) if in_vain else prometheus.wait_for(expression, bool)
        )
    return found


def label_values(prometheus: Prometheus, query: str) -> list[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match is not None, query
    return prometheus.label_values(match[2], dashboard.replaced(match[1], dashboard.all_values()))


def training_of(directory: Path) -> psutil.Process:
    return psutil.Process(attempts(directory)[-1].process)


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
    keys = {trial.key for trial in both}
    reached = {trial.key: log[-1].step for trial, log in zip(both, before.log, strict=True)}
    prometheus.wait_for(
        "ray_colorsweep_step",
        lambda found: keys == {key for s in found if s.value >= reached[key := s.labels["key"]]},
    )
    # On a busy machine an export may come too late for a query.
    gauges = {
        name: prometheus.wait_for(
            f"ray_colorsweep_{name}",
            lambda found: keys <= {s.labels["key"] for s in found if "key" in s.labels},
        )
        for name in GAUGES
    }
    gauges |= {name: prometheus.wait_for(f"ray_colorsweep_{name}", bool) for name in OF_SWEEP}
    everything = dashboard.all_values()
    chosen = everything | {"sweep": "gauges"}
    panels = [results(prometheus, values) for values in (everything, chosen)]
    after = files(directories)

    # As in a long evaluation, nothing is told of one training.
    training = training_of(directories[0])
    training.suspend()
    time.sleep(8 * EXPORT_SECONDS)
    paused = prometheus.query(f"count_over_time(ray_colorsweep_step[{6 * EXPORT_SECONDS}s])")
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
    call("--runs", str(runs), "stop", "gauges", both[0].key)
    stopped = 'ray_colorsweep_trials{phase="stopped"}'
    prometheus.wait_for(stopped, lambda found: [s.value for s in found] == [1])
    stopped_key, key = (trial.key for trial in both)
    found.trials_after_stop = prometheus.wait_for(
        "ray_colorsweep_step",
        lambda series: (
            stopped_key not in (keys := {s.labels["key"] for s in series}) and key in keys
        ),
    )
    return found
