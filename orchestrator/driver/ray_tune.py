"""Ray Tune: the trials that run on the cluster."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

# Set before the import, which reads them. The live view replaces Ray's own output.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
# A Tune that was left behind (ray_watch.py) must not start another Ray.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")

from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.search import ConcurrencyLimiter, Searcher

from gan.checkpoint import persist
from orchestrator.driver.gauges import SweepGauges
from orchestrator.driver.monitor import Monitor
from orchestrator.driver.notifier import Notifier
from orchestrator.driver.ray_cluster import Cluster
from orchestrator.driver.ray_nodes import require_same_version, room_for, share_of
from orchestrator.driver.ray_session import session
from orchestrator.driver.ray_watch import watched
from orchestrator.driver.scheduler import Pruner
from orchestrator.driver.signals import graceful_stop
from orchestrator.driver.trial_queue import TrialQueue
from orchestrator.store.events import TrialEvent
from orchestrator.store.manifest import write_manifest
from orchestrator.store.paths import MANIFEST, tune_directory
from orchestrator.store.sweep_store import SweepStore
from orchestrator.store.trial_state import TrialState, states_of
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial
from orchestrator.worker.installed import installed
from orchestrator.worker.run import TrialTask
from orchestrator.worker.trainable import trainable
from reports.phase import TrialPhase

# Only deaths of the process count: an exception ends its trial at once (trainable.py).
MAX_WORKER_DEATHS = 100
PENDING = 200
"""Number of trials queued in Ray in addition to those that train; Tune's default."""


def train(
    spec: SweepSpec,
    trials: list[Trial],
    states: Mapping[str, TrialState],
    to_suggest: int,
    store: SweepStore,
    monitor: Monitor,
    notifier: Notifier,
    console: Console,
    cluster: Cluster | None,
    begin: Callable[[Trial], None],
) -> None:
    """Run trials in parallel on the cluster until all have ended, or cannot go on.

    ``trials`` include those that a search has chosen so far, and ``to_suggest`` more are to be
    chosen; ``states`` are by key, and trials that are done do not run. ``cluster`` is the running
    one to join, as ``find_cluster`` returned it. ``notifier`` begins when nothing refuses the
    trials any more; ``begin`` is called with each trial that the search chooses now.

    Raises:
        UserError: this machine lacks the resources of a single trial, a node of the cluster has
            another colorsweep, or storage fails.
    """
    trials = [*trials]  # the search adds to them
    with session(console, cluster):
        share = share_of(spec.resources, cluster, console)
        if cluster is not None:
            require_same_version()
        notifier.begin(monitor.view)
        try:
            with monitor.view, graceful_stop(store.ask_to_stop_soon, monitor.view.say):
                queue = _queue(
                    spec, trials, states, to_suggest, store, share, monitor, cluster, begin
                )
                pruner = None
                if spec.scheduler is not None:
                    pruner = Pruner(spec, trials, states, store.publish_soon)
                with SweepGauges(spec.name, monitor, store.directory):
                    reason = _tune(spec, queue, pruner, store, share, monitor, cluster)
                notifier.trained(reason, asked_to_stop=store.is_asked_to_stop())
        finally:
            store.forget_stop()
    _correct(spec, trials, store, monitor)


def _queue(
    spec: SweepSpec,
    trials: list[Trial],
    states: Mapping[str, TrialState],
    to_suggest: int,
    store: SweepStore,
    share: dict[str, float],
    monitor: Monitor,
    cluster: Cluster | None,
    begin: Callable[[Trial], None],
) -> Searcher:
    """Return the trial queue; a trial chosen by a search enters the manifest before it trains."""

    def task_of(trial: Trial) -> dict[str, Any]:
        return _task(spec, trial, store, share)

    def room() -> int:
        # A search chooses as late as possible. Queued trials let a cluster scale up.
        queued = PENDING if spec.search is None else int(cluster is not None)
        return room_for(share) + queued

    def add(trial: Trial) -> None:
        store.forget([trial.key])
        trials.append(trial)
        persist(lambda: write_manifest(store.directory, trials), store.directory / MANIFEST)
        store.publish(MANIFEST)
        monitor.add(trial)
        begin(trial)

    # What the monitor shows: it does not believe all that a worker says.
    common: dict[str, Any] = {
        "task_of": task_of,
        "room": room,
        "stopping": store.is_asked_to_stop,
        "phase_of": lambda key: monitor.view.rows[key].phase,
        "say": monitor.view.say,
    }
    if spec.search is None:
        queue = TrialQueue(trials, states, **common)
    else:
        # Optuna takes a second to import.
        from orchestrator.driver.search import SearchQueue

        queue = SearchQueue(spec, trials, states, to_suggest, add=add, **common)
    # With this limiter Tune starts trials together; without it, one after another.
    # The queue itself knows how many; a cluster may grow.
    most = room() if cluster is None else room() + PENDING
    return ConcurrencyLimiter(queue, max_concurrent=most)


def _task(
    spec: SweepSpec, trial: Trial, store: SweepStore, share: dict[str, float]
) -> dict[str, Any]:
    task = asdict(
        TrialTask(
            key=trial.key,
            config=trial.config.model_dump(mode="json"),
            directory=str(store.directory / trial.key),
            dataset_root=str(Path.cwd()),
            threads=spec.resources.cpus_per_trial,
            on_gpu=share["gpu"] > 0,
            sweep=spec.name,
            name=trial.name,
            objective="" if spec.objective is None else spec.objective.metric,
            **store.task_fields(trial.key),
        )
    )
    del task["storage"]  # goes in the trainable
    return task


def _tune(
    spec: SweepSpec,
    queue: Searcher,
    pruner: Pruner | None,
    store: SweepStore,
    share: dict[str, float],
    monitor: Monitor,
    cluster: Cluster | None,
) -> str:
    scratch = tune_directory(store.directory)
    shutil.rmtree(scratch, ignore_errors=True)
    # A Ray of this launch's own runs the same files.
    expected = "" if cluster is None else installed()
    tuner = Tuner(
        trainable(spec.name, share, store.uri, expected),
        tune_config=TuneConfig(
            search_alg=queue,
            num_samples=-1,  # until the queue returns FINISHED
            scheduler=pruner,
            reuse_actors=True,
            trial_dirname_creator=_key_of,
        ),
        run_config=RunConfig(
            name=spec.name,
            storage_path=str(scratch),
            failure_config=FailureConfig(max_failures=MAX_WORKER_DEATHS),
            callbacks=[_Callback(monitor)],
            verbose=0,
        ),
    )
    try:
        if reason := watched(tuner.fit, store.is_asked_to_stop, monitor, cluster, share):
            monitor.view.say(f"{reason}; what is stored is kept.")
        return reason
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _correct(spec: SweepSpec, trials: list[Trial], store: SweepStore, monitor: Monitor) -> None:
    """Show how the trials are that Ray left without a word, or that fell behind while stopping."""
    shown = {trial.key: monitor.view.rows[trial.key].phase for trial in trials}
    left = {key for key, phase in shown.items() if phase.is_active}
    for key in left:
        with suppress(OSError):
            store.refresh(key)
    stopped = [t for t in trials if t.key in left or shown[t.key] is TrialPhase.STOPPED]
    for key, state in states_of(spec, stopped, store.root).items():
        if key in left or state.phase is TrialPhase.PRUNED:
            monitor.end_as(key, replace(state, is_locked=False))


def _key_of(ray_trial: Any) -> str:
    key: str = ray_trial.config["task"]["key"]
    return key


class _Callback(Callback):
    """Callback that forwards events of Tune and of the workers to the monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles callbacks to restore experiments, which is never done here.
        return {}

    def _tell(self, trial: Any, phase: TrialPhase, reason: str = "") -> None:
        self._monitor.on_event(TrialEvent(_key_of(trial), phase, reason=reason))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, TrialPhase.STARTING)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, TrialPhase.RESTARTING)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(trial, TrialPhase.DIED, f"its process died {MAX_WORKER_DEATHS + 1} times")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        event = result["event"]
        # Of plain values if the node cannot import our classes.
        phase = TrialPhase(event.phase)
        node = getattr(event, "node", None)
        self._monitor.on_event(TrialEvent(event.key, phase, event.progress, event.reason, node))
