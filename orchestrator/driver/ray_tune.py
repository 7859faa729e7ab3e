"""Ray: a cluster to run on, and Tune to run trials there."""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

# Before the import, which reads them. Ray's chatter off: the live view says all of it.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.search import ConcurrencyLimiter, Searcher

from gan.checkpoint import persist
from gan.errors import UserError
from orchestrator.driver.monitor import Watch
from orchestrator.driver.scheduler import Pruner
from orchestrator.driver.signals import graceful_stop
from orchestrator.driver.trial_queue import Waiting
from orchestrator.store.manifest import FILE, write_record
from orchestrator.store.sweep_store import Home
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.spec import Resources, SweepSpec
from orchestrator.sweep.trials import Trial
from orchestrator.worker.task import TrialTask
from orchestrator.worker.trainable import run_trial

# Only a death of the process counts: an exception ends its trial at once (trainable.py).
MAX_WORKER_DEATHS = 100
PENDING = 200
"""Trials that Ray knows of beside those that train; Tune's own number."""


def train(
    spec: SweepSpec,
    trials: list[Trial],
    states: Mapping[str, TrialState],
    to_suggest: int,
    home: Home,
    watch: Watch,
    console: Console,
) -> None:
    """Run trials in parallel on what the cluster has, until all have ended.

    Args:
        spec: the sweep.
        trials: its trials; the search's, as far as they are chosen, among them.
        states: theirs, by key; those that are done do not run.
        to_suggest: how many the search is yet to choose.
        home: where the sweep lives.
        watch: hears of every trial.
        console: for addresses and warnings.

    Raises:
        UserError: the cluster has not what a single trial needs, or storage fails.
    """
    trials = [*trials]  # the search adds to them
    with _ray(console):
        share = _share(spec.resources)
        try:
            with watch.progress, graceful_stop(home.ask_to_stop_soon, watch.progress.say):
                waiting = _waiting(spec, trials, states, to_suggest, home, share, watch)
                pruner = None
                if spec.scheduler is not None:
                    pruner = Pruner(spec, trials, states, home.publish_soon)
                _tune(spec, waiting, pruner, home, share, watch)
        finally:
            home.forget_stop()


def _waiting(
    spec: SweepSpec,
    trials: list[Trial],
    states: Mapping[str, TrialState],
    to_suggest: int,
    home: Home,
    share: dict[str, float],
    watch: Watch,
) -> Searcher:
    """Line up the trials; what a search chooses is on record before it trains."""

    def task_of(trial: Trial) -> dict[str, Any]:
        return _task(spec, trial, home, share)

    def room() -> int:
        # A search chooses as late as it can. Else a cluster that grows is to see what waits.
        return _room(share) + (PENDING if spec.search is None else 0)

    def add(trial: Trial) -> None:
        home.forget([trial.key])
        trials.append(trial)
        persist(lambda: write_record(home.directory, trials), home.directory / FILE)
        home.publish(FILE)
        watch.add(trial, home)

    stopping = home.is_asked_to_stop
    if spec.search is None:
        waiting = Waiting(trials, states, task_of=task_of, room=room, stopping=stopping)
    else:
        # Optuna takes a second to import.
        from orchestrator.driver.search import Search

        waiting = Search(
            spec,
            trials,
            states,
            to_suggest,
            task_of=task_of,
            add=add,
            room=room,
            stopping=stopping,
        )
    # Tune starts as many at once, where it would start one after the other.
    return ConcurrencyLimiter(waiting, max_concurrent=room())


def _task(spec: SweepSpec, trial: Trial, home: Home, share: dict[str, float]) -> dict[str, Any]:
    return asdict(
        TrialTask(
            key=trial.key,
            config=trial.config.model_dump(mode="json"),
            directory=str(home.directory / trial.key),
            dataset_root=str(Path.cwd()),
            threads=spec.resources.cpus_per_trial,
            on_gpu=share["gpu"] > 0,
            **home.task(trial.key),
        )
    )


def _tune(
    spec: SweepSpec,
    waiting: Searcher,
    pruner: Pruner | None,
    home: Home,
    share: dict[str, float],
    watch: Watch,
) -> None:
    # Tune's own record of the experiment; ours is the trials' directories.
    scratch = home.directory / ".tune"
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = Tuner(
        tune.with_resources(run_trial, share),
        tune_config=TuneConfig(
            search_alg=waiting,
            num_samples=-1,  # it says when it has no more
            scheduler=pruner,
            reuse_actors=True,
            trial_dirname_creator=_key_of,
        ),
        run_config=RunConfig(
            name=spec.name,
            storage_path=str(scratch),
            failure_config=FailureConfig(max_failures=MAX_WORKER_DEATHS),
            callbacks=[_Callback(watch)],
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _ray(console: Console) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS or of ``ray start``, else start Ray here."""
    console.print("Starting Ray and the workers takes half a minute or so ...")
    try:
        context = ray.init(logging_level=logging.CRITICAL, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if "RAY_ADDRESS" not in os.environ:
            raise
        address = os.environ["RAY_ADDRESS"]
        raise UserError(f"RAY_ADDRESS: no Ray cluster at {address} ({error})") from None
    except Exception as error:  # Ray has no class for this: its node raises a plain Exception
        if "timed out during startup" not in str(error):
            raise
        raise UserError("Ray did not start in 30 s: this machine is busy; launch again") from None
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        if context.dashboard_url:
            console.print(f"Dashboard  http://{context.dashboard_url}")
        yield
    finally:
        ray.shutdown()


def _share(wanted: Resources) -> dict[str, float]:
    """Return what each trial occupies; a whole GPU where there is one, unless said otherwise."""
    known = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in known if node["Alive"]]
    gpus = wanted.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU", 0) for node in nodes) else 0.0
    for name, kind, share in (
        ("cpus_per_trial", "CPU", wanted.cpus_per_trial),
        ("gpus_per_trial", "GPU", gpus),
    ):
        largest = max(node.get(kind, 0) for node in nodes)
        if share > largest:
            raise UserError(f"resources.{name}: {share:g}, but the largest node has {largest:g}")
    return {"cpu": float(wanted.cpus_per_trial), "gpu": gpus}


def _room(share: dict[str, float]) -> int:
    """Count the trials that the cluster can train at once, as it is now."""
    known = ray.nodes()  # type: ignore[no-untyped-call]
    room = 0
    for has in (node["Resources"] for node in known if node["Alive"]):
        kinds = [(has.get("CPU", 0), share["cpu"])]
        if share["gpu"]:
            # A share of a GPU is of one GPU.
            kinds.append((has.get("GPU", 0) * max(1, 1 // share["gpu"]), max(1, share["gpu"])))
        room += int(min(there // wanted for there, wanted in kinds))
    return max(1, room)


def _key_of(ray_trial: Any) -> str:
    key: str = ray_trial.config["task"]["key"]
    return key


class _Callback(Callback):
    """Passes what Tune says of a trial on to the watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks to restore an experiment by; ours are never restored.
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._watch.heard(_key_of(trial), "starting")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._watch.heard(_key_of(trial), "restarting")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._watch.heard(
            _key_of(trial), "failed", f"its process died {MAX_WORKER_DEATHS + 1} times"
        )

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        reported = {name: result[name] for name in REPORTED if name in result}
        self._watch.heard(_key_of(trial), result["state"], result.get("reason", ""), **reported)


REPORTED = (
    *("step", "total_steps", "epoch", "images_per_second", "metrics"),
    *("durable_step", "seconds", "checkpoint_seconds"),
)
