"""A sweep of Anna's at a workplace, through all that may happen to it."""

import shutil
import signal
import subprocess
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from gan.training.trainer import Trainer
from orchestrator.store.object_store import ObjectStore
from orchestrator.store.paths import Locations, stop_object
from orchestrator.store.sweep_store import store_of
from orchestrator.store.trial_state import TrialState, state_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.processes import SETTINGS, Program, on_small
from tests.support.prometheus import Series
from tests.support.ray_cluster import paused, title_of
from tests.support.s3 import stored_steps
from tests.support.trainings import left_alone_meanwhile
from tests.support.workplace import Workplace

Done = subprocess.CompletedProcess[str]
STEPS = 480
SWEEP = (
    SETTINGS.replace("evaluate_every: 20", "evaluate_every: 40")
    + f"""\
  steps: {STEPS}
points:
  - {{}}
  - {{saturation: 0.75}}
"""
)
STEP_GAUGES = "max by (sweep, trial, key) (ray_colorsweep_step) > 0"
PHASES = "sum by (sweep) (max by (sweep, phase) (ray_colorsweep_trials))"


@dataclass(frozen=True)
class Story:
    """A sweep submitted three times: left and stopped; its driver killed; a node killed."""

    sweep: Path
    trials: list[Trial]
    """Without control, steered, and the first recoloured to the target of the second."""
    alone: list[Future[Trainer]]
    """The first two, on one machine and without a death."""

    # The first job
    steps: list[Series]
    """Gauges while both train, like what follows."""
    phases: list[Series]
    actors: list[dict[str, Any]]
    titles: list[str]
    """Of all processes."""
    detached: Done
    """The submit that followed it, until Ctrl-C."""
    second: Done
    """A submit of the same sweep, and a launch on a machine beside."""
    beside: Done
    metadata: dict[str, str]
    stopping: Done
    other: Done
    """A submit of a sweep without its data."""
    stopped: list[TrialState]
    """Of the trials in the bucket, once the job has ended."""
    own: Done
    """A submit of another sweep, which needs no bucket: all nodes share its directory."""
    own_metadata: dict[str, str]
    told_of_own: str

    # The second, whose driver was killed, and the third, one of whose nodes died
    died: Done
    victim: str
    """Name of the node."""
    status: Done
    """After its death; ``--json``."""
    watching: Done
    """``status --watch`` from its death to the end."""
    submitted: Done
    told_of_first: list[str]
    """Messages to the command of the file's notify, which ran on the cluster."""
    told: str
    """To that of the last submit's --notify, which wins."""

    # In the end
    finished: Done
    """``status --json`` of another directory."""
    elsewhere: Done
    """A launch on a machine that has nothing, with a tracking store of its own."""
    report: Done
    page: Path
    without_account: Done


def story(workplace: Workplace, small_npz: Path) -> Story:
    base, cluster = workplace.machines, workplace.cluster
    sweep, other = base / "shared.yaml", base / "other.yaml"
    first, last = base / "first.jsonl", base / "last.jsonl"
    text = f"{SWEEP}notify: cat >> {first} && echo >> {first}\n"
    sweep.write_text(on_small(small_npz, text))
    own, told_of_own = base / "own.yaml", base / "own.jsonl"
    shutil.copy(small_npz, workplace.home / "near.npz")
    text = f"{SETTINGS}  steps: 20\nnotify: cat >> {told_of_own}\n"
    own.write_text(on_small(Path("near.npz"), text))
    other.write_text(on_small(Path("absent.npz"), f"{SETTINGS}  steps: 20\n"))
    trials = expand(read_sweep(sweep))
    alone = left_alone_meanwhile([trial.config for trial in trials[:2]], base / "alone")
    bucket = ObjectStore(workplace.storage)
    paths = {trial.name: f"sweeps/shared/{trial.key}" for trial in trials[:2]}

    def are_paused() -> bool:
        """Pause each training that has a checkpoint in the store; whether both have."""
        stored = [name for name, path in paths.items() if stored_steps(workplace.storage, path)]
        for training in cluster.trainings():
            if title_of(training) in {f"colorsweep shared: {name}" for name in stored}:
                training.suspend()
        return len(stored) == len(paths)

    def has_attempts(count: int) -> bool:
        """Whether the store knows of so many of a trial that trains."""
        found = any(len(bucket.entries(f"{path}/attempts")) >= count for path in paths.values())
        return found and bool(cluster.trainings())

    follower = workplace.on_jobs("submit", sweep, PYTHONUNBUFFERED="1")
    follower.wait_for(are_paused)
    with paused(cluster.trainings()):
        steps = workplace.prometheus.wait_for(STEP_GAUGES, lambda found: len(found) == 2)
        phases = workplace.prometheus.wait_for(PHASES, bool)
        actors, titles = workplace.actors(), [title_of(each) for each in psutil.process_iter()]
        follower.process.send_signal(signal.SIGINT)
        detached = follower.end()
        second = workplace.on_jobs("submit", sweep).end()
        beside = workplace.start("beside", "launch", sweep, **workplace.anna).end()
        (job,) = workplace.jobs()
        stopping = workplace.on_jobs("stop", "shared").end()
        while not bucket.existing([stop_object("sweeps/shared")]):
            time.sleep(0.5)
    other_done = workplace.on_jobs("submit", other).end()
    while workplace.is_busy():
        time.sleep(0.5)
    store = store_of(Locations(base / "empty", workplace.storage), "shared")
    store.open()
    stopped = [state_of(trial, store.directory / trial.key) for trial in trials]
    address = ("--address", workplace.dashboard)
    own_done = Program("--runs", base / "runs", "submit", own, *address, **workplace.anna).end()
    (own_job,) = (
        job for job in workplace.jobs() if job["metadata"].get("colorsweep.sweep") == "own"
    )

    follower = workplace.on_jobs("submit", sweep)
    follower.wait_for(lambda: has_attempts(2))
    workplace.driver().kill()
    died = follower.end()
    while cluster.trainings():
        time.sleep(0.5)

    notify = ("--notify", f"cat >> {last}")
    follower = workplace.on_jobs("submit", sweep, *notify, PYTHONUNBUFFERED="1")
    follower.wait_for(lambda: has_attempts(3))
    victim = next(node for node in cluster.nodes if node.trainings())
    victim.kill()
    with paused(cluster.trainings()):  # else they might be done before the first look
        watcher = workplace.start("watching", "status", "shared", "--watch", **workplace.anna)
        status = workplace.start("elsewhere", "status", "--json", **workplace.anna).end()
    submitted, watching = follower.end(), watcher.end()

    finished = workplace.start("late", "status", "--json", **workplace.anna).end()
    elsewhere = workplace.start("elsewhere", "launch", sweep, **workplace.s3.environment()).end()
    page, stranger = base / "page", workplace.bob | {"MLFLOW_TRACKING_PASSWORD": "guessed"}
    report = workplace.start("bob", "report", "shared", "--out", page, **workplace.bob).end()
    without_account = workplace.start("stranger", "report", "shared", **stranger).end()
    return Story(
        sweep=sweep,
        trials=trials,
        alone=alone,
        steps=steps,
        phases=phases,
        actors=actors,
        titles=titles,
        detached=detached,
        second=second,
        beside=beside,
        metadata=job["metadata"],
        stopping=stopping,
        other=other_done,
        stopped=stopped,
        own=own_done,
        own_metadata=own_job["metadata"],
        told_of_own=told_of_own.read_text(),
        died=died,
        victim=victim.name,
        status=status,
        watching=watching,
        submitted=submitted,
        told_of_first=first.read_text().splitlines(),
        told=last.read_text(),
        finished=finished,
        elsewhere=elsewhere,
        report=report,
        page=page,
        without_account=without_account,
    )
