"""Make it so: run what a sweep's trials lack, from wherever each of them is."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from gan.errors import UserError
from orchestrator.plan import Trial
from orchestrator.progress import Progress, State
from orchestrator.sender import Sender, Transfer
from orchestrator.spec import SweepSpec
from orchestrator.state import TrialState, state_of, sweep_directory, trial_directory
from reports.tracking import Status, SweepTracker

STATUS: dict[State, Status] = {
    "starting": "RUNNING",
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
}
"""A run's status in MLflow by the trial's state."""


class SweepWatch:
    """Hears of every trial; tells the live view and the tracking store."""

    def __init__(
        self, spec: SweepSpec, runs: Path, trials: list[Trial], progress: Progress, sender: Sender
    ) -> None:
        """Watch the trials of one launch."""
        self.progress = progress
        self._sender = sender
        self._transfers = {
            trial.key: Transfer(trial, index, trial_directory(runs, spec.name, trial), "RUNNING")
            for index, trial in enumerate(trials)
        }
        self._durable: dict[str, int] = {}

    def starts_from(self, key: str, state: TrialState) -> None:
        """Take note of what earlier launches have done, and send what the store lacks of it."""
        row = self.progress.rows[key]
        row.step, row.total_steps = state.step, state.total_steps
        row.epoch, row.metrics = state.epoch, state.metrics
        row.state = "finished" if state.finished else "waiting"
        if state.finished:
            self._sender.put(replace(self._transfers[key], status="FINISHED"))

    def heard(self, key: str, state: State, reason: str = "", **changes: Any) -> None:
        """Take note of a trial's state, and of its progress (fields of ``gan`` Progress)."""
        durable = changes.pop("durable_step", 0)
        news = state != self.progress.rows[key].state or durable > self._durable.get(key, 0)
        self._durable[key] = max(durable, self._durable.get(key, 0))
        self.progress.update(key, state, reason=reason, **changes)
        if news and state in STATUS:
            self._sender.put(replace(self._transfers[key], status=STATUS[state], reason=reason))


def launch(spec: SweepSpec, trials: list[Trial], runs: Path, uri: str, console: Console) -> bool:
    """Train what is not trained yet; returns whether every trial is finished.

    Args:
        spec: the sweep.
        trials: its trials.
        runs: directory for everything that is written.
        uri: of the tracking store.
        console: for the live view and the summary.

    Raises:
        UserError: data, output, tracking store or resources are not as they must be; nothing
            has been started then.
    """
    states = {t.key: state_of(t, trial_directory(runs, spec.name, t)) for t in trials}
    todo = [trial for trial in trials if not states[trial.key].finished]
    # The photographs that come along are known to be good; loading them takes seconds.
    check_datasets([trial for trial in todo if trial.config.dataset != "photos"], console)
    sweep = sweep_directory(runs, spec.name)
    _make_writable(sweep)
    tracker = SweepTracker(uri, spec.name, runs)
    _say_plan(spec, states, console)
    console.print(f"Tracking   {uri}", highlight=False, soft_wrap=True)
    progress = Progress(console, trials)
    sender = Sender(tracker, progress.say)
    watch = SweepWatch(spec, runs, trials, progress, sender)
    for key, state in states.items():
        watch.starts_from(key, state)
    try:
        if todo:
            # Ray takes seconds to import; a launch with nothing to do needs none of it.
            from orchestrator.cluster import train

            train(spec, todo, sweep, watch, console)
    finally:
        unsent = sender.close()
    if unsent:
        console.print(
            f"the tracking store misses news of {unsent} trial(s); launch again to send them",
            style="yellow",
        )
    return _say_summary(spec, progress, console)


def check_datasets(trials: list[Trial], console: Console) -> dict[str, int]:
    """Load every dataset that the trials name, once; returns training images by trial key.

    Raises:
        UserError: one of them cannot be used.
    """
    if not trials:
        return {}
    # torch takes seconds to import.
    from gan.data import load

    counts: dict[str, int] = {}
    skipped: set[str] = set()
    for trial in trials:
        dataset = load(trial.config)
        counts[trial.key] = len(dataset.train)
        skipped |= set(dataset.skipped)
    for line in sorted(skipped):
        console.print(f"skipped {line}", style="yellow", highlight=False, soft_wrap=True)
    return counts


def _make_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UserError(f"--runs: cannot write to {directory} ({error.strerror})") from None


def _say_plan(spec: SweepSpec, states: dict[str, TrialState], console: Console) -> None:
    finished = sum(state.finished for state in states.values())
    begun = sum(state.step > 0 and not state.finished for state in states.values())
    new = len(states) - finished - begun
    console.print(
        f"[bold]{spec.name}[/]: {len(states)} trials: {new} new, {begun} to go on with, "
        f"{finished} finished",
        highlight=False,
    )


def _say_summary(spec: SweepSpec, progress: Progress, console: Console) -> bool:
    rows = list(progress.rows.values())
    for row in rows:
        if row.state == "failed":
            console.print(f"{row.name}: {row.reason}", style="red", highlight=False, soft_wrap=True)
    counts = Counter(row.state for row in rows)
    finished = counts["finished"]
    others = [f", {counts[state]} {state}" for state in ("stopped", "failed") if counts[state]]
    console.print(f"{finished} of {len(rows)} trials finished{''.join(others)}", highlight=False)
    if finished == len(rows):
        console.print(f"Next: colorsweep report {spec.name}", highlight=False)
    else:
        console.print(f"To go on: colorsweep launch {spec.path}", highlight=False, soft_wrap=True)
    return finished == len(rows)
