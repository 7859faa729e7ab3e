"""Single trial in this process, without Ray, for ``colorsweep train``."""

import time
from functools import partial
from pathlib import Path

from rich.console import Console

from gan.plain_text import masked
from orchestrator.driver.live_view import LiveView
from orchestrator.driver.monitor import Monitor
from orchestrator.driver.pictures import compared, digests_now, other_pictures
from orchestrator.driver.signals import graceful_stop
from orchestrator.driver.tracking_sync import TrackingSync
from orchestrator.driver.trial_table import TrialRow
from orchestrator.store.events import TrialEvent
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.manifest import write_single
from orchestrator.store.paths import Locations
from orchestrator.store.trial_state import require_writable, state_of
from orchestrator.sweep.dataset_check import check_datasets
from orchestrator.sweep.trials import Trial
from orchestrator.worker import node_metrics
from orchestrator.worker.run import TrialTask, run
from orchestrator.worker.stop_signal import StopReason, StopSignal
from reports.experiments import Claim
from reports.phase import TrialPhase
from reports.store import require_answer
from reports.tracking import SweepTracker


def train(sweep: str, trial: Trial, runs: Path, uri: str, console: Console) -> bool:
    """Train a trial from its newest checkpoint; return whether it is finished.

    Ctrl-C and SIGTERM stop it after a checkpoint. Training continues if the tracking store goes
    away. ``sweep`` is the name that the trial is tracked and reported under, with others.

    Raises:
        UserError: data, output, tracking store or environment are unusable; nothing has been
            started.
    """
    node_metrics.require_interval()
    store = LocalSweep(runs, sweep)
    directory = store.directory / trial.key
    state = state_of(trial, directory, generator=True)
    if state.phase is not TrialPhase.FINISHED:
        check_datasets([trial], console)
    require_answer(uri, runs)
    require_writable(store.directory)
    write_single(store.directory, trial)
    states = {trial.key: state}
    states = compared([trial], states, digests_now([trial], states, store.directory))
    for line in other_pictures([trial], states):
        console.print(line, style="yellow", soft_wrap=True)
    rename = "train yours under another --name"
    tracker = SweepTracker(uri, sweep, Claim(store.owner(), store.directory, rename))
    console.print(f"Trial      {directory}", soft_wrap=True)
    console.print(f"Tracking   {masked(uri)}", soft_wrap=True)
    view = LiveView(console)
    index = _index(tracker, trial)
    tracking = TrackingSync(tracker, view.say)
    monitor = Monitor([], store, view, tracking)
    monitor.add(trial, index)
    monitor.starts_from(trial.key, state)
    try:
        if state.phase is not TrialPhase.FINISHED:
            # Existing stop requests were for launches.
            store.forget_stop()
            store.forget([trial.key])
            with view:
                _fit(trial, directory, monitor, console)
    finally:
        unsent = tracking.close()
    if unsent:
        console.print(
            "the tracking store lacks the latest results; run this again",
            style="yellow",
        )
    console.quiet = False  # the summary is the result, also with -q
    row = view.rows[trial.key]
    _say_summary(row, runs, sweep, console)
    return row.phase is TrialPhase.FINISHED


def _index(tracker: SweepTracker, trial: Trial) -> int:
    """Return the trial's position among those of its name: its own, or the next free one."""
    if (run := tracker.run_of(trial.key)) is not None:
        return run.index
    return max((run.index for run in tracker.runs()), default=-1) + 1


def _fit(trial: Trial, directory: Path, monitor: Monitor, console: Console) -> None:
    started = time.time()
    # torch takes seconds to import; a finished trial does not need it.
    import torch

    from gan.evaluation.fid import fid_unavailable
    from gan.extras import features_unavailable
    from gan.training.state import device_name

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console.print(f"Device     {device_name(device)}")
    if (reason := fid_unavailable()) is not None:
        console.print(f"FID        not measured: {reason.partition(';')[0]}", soft_wrap=True)
    if (reason := features_unavailable()) is not None:
        console.print(f"KID        not measured: {reason}", soft_wrap=True)
    if (reason := node_metrics.unavailable()) is not None:
        console.print(f"System     not measured: {reason}", soft_wrap=True)
    monitor.on_event(TrialEvent(trial.key, TrialPhase.STARTING))
    task = TrialTask(
        key=trial.key,
        config=trial.config.model_dump(mode="json"),
        directory=str(directory),
        dataset_root="",
        on_gpu=device.type == "cuda",
    )
    stop = StopSignal()
    with graceful_stop(partial(stop.set, StopReason.USER), monitor.view.say):
        monitor.on_event(run(task, started, monitor.on_event, stop))


def _say_summary(row: TrialRow, runs: Path, sweep: str, console: Console) -> None:
    if row.phase is TrialPhase.FAILED:
        console.print(f"Failed: {row.reason}", style="red", soft_wrap=True)
        return
    console.print(
        f"{row.phase.capitalize()} at step {row.step} of {row.total_steps}, epoch {row.epoch:.1f}"
    )
    for name, control in row.config.controls.items():
        if (error := row.metrics.get(f"eval/{name}_error")) is None:
            continue
        if control.is_any:
            ends = f"/{name}_error"
            measured = [k for k in row.metrics if k.count("/") == 2 and k.endswith(ends)]
            what = f"any, at {len(set(measured) - {f'eval/exact{ends}'})} targets"
        else:
            what = f"{row.metrics[f'eval/{name}']:.3f} achieved, {control.wanted:g} wanted"
        moved = row.metrics.get(f"eval/exact/{name}_error")
        after = "" if moved is None else f", {moved:.3f} after exact control"
        console.print(f"{name}: {what}; error {error:.3f} an image{after}")
    if row.phase is TrialPhase.FINISHED:
        command = Locations(runs, None).command("report", sweep)
        console.print(f"Next: {command}", soft_wrap=True)
        return
    console.print("To go on: run the same command again")
