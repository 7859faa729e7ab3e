"""Make it so: run what a sweep's trials lack, from wherever each of them is."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from orchestrator.claim import claim
from orchestrator.datasets import check_datasets
from orchestrator.mirror import Mirror, mirror_of
from orchestrator.plan import Trial
from orchestrator.progress import Progress
from orchestrator.record import changes, read_record, write_record
from orchestrator.sender import Removal, Sender, Transfer
from orchestrator.spec import SweepSpec
from orchestrator.state import (
    Places,
    TrialState,
    make_writable,
    state_of,
    sweep_directory,
    trial_directory,
)
from orchestrator.watch import Watch
from reports.tracking import SweepTracker, connect, without_password


def launch(
    spec: SweepSpec, trials: list[Trial], places: Places, uri: str, console: Console
) -> bool:
    """Train what is not trained yet; returns whether every trial is finished.

    Args:
        spec: the sweep.
        trials: its trials.
        places: for everything that is written.
        uri: of the tracking store.
        console: for the live view and the summary.

    Raises:
        UserError: data, output, tracking store or resources are not as they must be; nothing
            has been started then.
    """
    runs, mirror = places.runs, mirror_of(places, spec.name)
    root = runs
    if mirror is not None:
        mirror.open()
        root = mirror.root
    states = {t.key: state_of(t, trial_directory(root, spec.name, t)) for t in trials}
    todo = [trial for trial in trials if not states[trial.key].finished]
    # The photographs that come along are known to be good, and 202; loading them takes seconds.
    unsure = [t for t in todo if t.config.dataset != "photos" or t.config.batch_size > 202]
    check_datasets(unsure, console)
    sweep = sweep_directory(root, spec.name)
    if not uri.startswith(f"sqlite:///{runs.absolute()}/"):
        connect(uri)  # an absent server is to be noticed before anything is written
    make_writable(sweep)
    what = f"{spec.name} is launched"
    with claim(sweep, what):
        if mirror is None:
            return _launch(spec, trials, runs, sweep, uri, console)
        with mirror.claim(what, partial(console.print, soft_wrap=True)):
            mirror.open()
            return _launch(spec, trials, runs, sweep, uri, console, mirror)


def _launch(
    spec: SweepSpec,
    trials: list[Trial],
    runs: Path,
    sweep: Path,
    uri: str,
    console: Console,
    mirror: Mirror | None = None,
) -> bool:
    # Once more: another launch may have trained until now.
    states = {t.key: state_of(t, sweep / t.key) for t in trials}
    todo = [trial for trial in trials if not states[trial.key].finished]
    tracker = SweepTracker(uri, spec.name, runs)
    _say_plan(spec, states, console)
    before = read_record(sweep)
    for line in changes(before, trials) if before else ():
        console.print(line, soft_wrap=True)
    if before != trials:
        write_record(sweep, trials)
        if mirror is not None:
            with mirror.in_one_line():
                mirror.publish_record()
    if mirror is not None:
        console.print(f"Storage    {mirror.storage.uri}", soft_wrap=True)
    console.print(f"Tracking   {without_password(uri)}", soft_wrap=True)
    progress = Progress(console, trials)
    sender = Sender(tracker, progress.say)
    transfers = [
        Transfer(
            trial,
            index,
            sweep / trial.key,
            "RUNNING",
            refresh=None if mirror is None else partial(mirror.refresh, trial.key, generators=True),
        )
        for index, trial in enumerate(trials)
    ]
    for run in tracker.runs():
        if run.key not in states:
            sender.put(Removal(run.key))
        elif run.status == "RUNNING" and not states[run.key].finished:
            # Nothing of this sweep runs: whatever said so is dead.
            transfer = next(t for t in transfers if t.trial.key == run.key)
            sender.put(replace(transfer, status="KILLED"))
    watch = Watch(transfers, progress, sender)
    for key, state in states.items():
        watch.starts_from(key, state)
    try:
        if todo:
            # Ray takes seconds to import; a launch with nothing to do needs none of it.
            from orchestrator.cluster import train

            train(spec, todo, sweep, watch, console, mirror)
    finally:
        unsent = sender.close()
    if unsent:
        console.print(
            f"the tracking store misses news of {unsent} trial(s); launch again to send them",
            style="yellow",
        )
    return _say_summary(spec, progress, console)


def _say_plan(spec: SweepSpec, states: dict[str, TrialState], console: Console) -> None:
    finished = sum(state.finished for state in states.values())
    begun = sum(state.step > 0 and not state.finished for state in states.values())
    new = len(states) - finished - begun
    console.print(
        f"{spec.name}: {len(states)} trials: {new} new, {begun} to go on with, {finished} finished",
    )


def _say_summary(spec: SweepSpec, progress: Progress, console: Console) -> bool:
    rows = list(progress.rows.values())
    for row in rows:
        if row.state == "failed":
            console.print(
                f"{row.name}: {row.reason}",
                style="red",
                soft_wrap=True,
            )
    counts = Counter(row.state for row in rows)
    finished = counts["finished"]
    others = [f", {counts[state]} {state}" for state in ("stopped", "failed") if counts[state]]
    console.print(f"{finished} of {len(rows)} trials finished{''.join(others)}")
    if finished == len(rows):
        console.print(f"Next: colorsweep report {spec.name}")
    else:
        console.print(
            f"To go on: colorsweep launch {spec.path}",
            soft_wrap=True,
        )
    return finished == len(rows)
