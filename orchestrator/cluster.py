"""Ray: a cluster to run on, and Tune to run trials there."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

from gan.errors import UserError
from orchestrator.interrupt import graceful_stop
from orchestrator.mirror import Mirror
from orchestrator.plan import Trial
from orchestrator.spec import Resources, SweepSpec
from orchestrator.state import stop_file
from orchestrator.trainable import TrialTask, run_trial
from orchestrator.watch import Watch

# Only a death of the process counts: an exception ends its trial at once (trainable.py).
MAX_DEATHS = 100


def train(
    spec: SweepSpec,
    trials: list[Trial],
    sweep: Path,
    watch: Watch,
    console: Console,
    mirror: Mirror | None = None,
) -> None:
    """Run trials in parallel on what the cluster has, until all have ended.

    Those that recolour come last, and take their baseline's training from its directory.

    Args:
        spec: the sweep.
        trials: those that are not finished.
        sweep: the sweep's directory, on storage that every node sees, unless it is a mirror.
        watch: hears of every trial.
        console: for addresses and warnings.
        mirror: of which object store it is one, if it is.

    Raises:
        UserError: the cluster has not what a single trial needs, or the store fails.
    """
    stop = stop_file(sweep)
    for file in (stop, *(stop_file(sweep / trial.key) for trial in trials)):
        file.unlink(missing_ok=True)
    if mirror is not None:
        with mirror.in_one_line():
            mirror.clear_stops([trial.key for trial in trials])

    def ask() -> None:
        stop.touch()
        if mirror is not None:
            mirror.ask_to_stop_soon()

    def asked() -> bool:
        return stop.exists() or (mirror is not None and mirror.is_asked_to_stop())

    with _ray(console):
        share = _share(spec.resources)
        try:
            with watch.progress, graceful_stop(ask, watch.progress.say):
                for recolouring in (False, True):
                    part = [t for t in trials if t.config.recolour == recolouring]
                    if part and not asked():
                        _tune(spec, part, sweep, share, watch, mirror)
        finally:
            stop.unlink(missing_ok=True)
            if mirror is not None:
                with suppress(OSError):  # the next launch does it too
                    mirror.clear_stops([])


def _tune(
    spec: SweepSpec,
    trials: list[Trial],
    sweep: Path,
    share: dict[str, float],
    watch: Watch,
    mirror: Mirror | None,
) -> None:
    # Tune's own record of the experiment; ours is the trials' directories.
    scratch = sweep / ".tune"
    shutil.rmtree(scratch, ignore_errors=True)
    tasks = [
        asdict(
            TrialTask(
                key=trial.key,
                config=trial.config.model_dump(mode="json"),
                directory=str(sweep / trial.key),
                dataset_root=str(Path.cwd()),
                threads=spec.resources.cpus_per_trial,
                on_gpu=share["gpu"] > 0,
                **({} if mirror is None else mirror.task(trial.key)),
            )
        )
        for trial in trials
    ]
    tuner = Tuner(
        tune.with_resources(run_trial, share),
        param_space={"task": tune.grid_search(tasks)},
        tune_config=TuneConfig(reuse_actors=True, trial_dirname_creator=_key_of),
        run_config=RunConfig(
            name=spec.name,
            storage_path=str(scratch),
            failure_config=FailureConfig(max_failures=MAX_DEATHS),
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
        self._watch.heard(_key_of(trial), "failed", f"its process died {MAX_DEATHS + 1} times")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        reported = {name: result[name] for name in REPORTED if name in result}
        self._watch.heard(_key_of(trial), result["state"], result.get("reason", ""), **reported)


REPORTED = (
    *("step", "total_steps", "epoch", "images_per_second", "metrics"),
    *("durable_step", "seconds", "checkpoint_seconds"),
)
