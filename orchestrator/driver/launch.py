"""Make it so: run what a sweep's trials lack, from wherever each of them is."""

import shlex
from collections import Counter
from dataclasses import replace
from functools import partial

from rich.console import Console

from gan.extras import features_unavailable
from orchestrator.driver.live_view import Progress, State
from orchestrator.driver.monitor import Watch
from orchestrator.driver.tracking_sync import Removal, Sender, transfer_of
from orchestrator.store.manifest import FILE, changes, read_record, write_record
from orchestrator.store.sweep_store import Home, home_of
from orchestrator.store.trial_state import Places, TrialState, make_writable, states_of
from orchestrator.sweep.datasets import check_datasets
from orchestrator.sweep.search_space import searched, to_suggest
from orchestrator.sweep.spec import SweepSpec
from orchestrator.sweep.trials import Trial, corners
from reports.store import Launched, connect, without_password
from reports.tracking import SweepTracker


def launch(
    spec: SweepSpec,
    trials: list[Trial],
    places: Places,
    uri: str,
    console: Console,
    command: str,
) -> bool:
    """Train what is not trained yet; returns whether every trial is finished, or pruned.

    Args:
        spec: the sweep.
        trials: its trials, as far as the file names them.
        places: for everything that is written.
        uri: of the tracking store.
        console: for the live view and the summary.
        command: what was typed, for the report.

    Raises:
        UserError: data, output, tracking store or resources are not as they must be; nothing
            has been started then.
    """
    home = home_of(places, spec.name)
    home.open()
    chosen = searched(spec, trials, read_record(home.directory))
    states = states_of(spec, [*trials, *chosen], home.root)
    todo = [trial for trial in [*trials, *chosen] if not states[trial.key].done]
    todo += corners(spec) if to_suggest(spec, chosen) else []
    # The photographs that come along are known to be good, and 489; loading them takes seconds.
    unsure = [t for t in todo if t.config.dataset != "photos" or t.config.batch_size > 489]
    check_datasets(unsure, console)
    if not uri.startswith(f"sqlite:///{places.runs.absolute()}/"):
        connect(uri)  # an absent server is to be noticed before anything is written
    make_writable(home.directory)
    with home.claim(f"{spec.name} is launched", partial(console.print, soft_wrap=True)):
        tracker = SweepTracker(uri, spec.name, places.runs)
        return _launch(spec, trials, home, tracker, console, command)


def _launch(
    spec: SweepSpec,
    trials: list[Trial],
    home: Home,
    tracker: SweepTracker,
    console: Console,
    command: str,
) -> bool:
    before = read_record(home.directory)
    chosen = searched(spec, trials, before)
    trials = [*trials, *chosen]
    left = to_suggest(spec, chosen)
    # Once more: another launch may have trained until now.
    states = states_of(spec, trials, home.root)
    # What was asked of earlier launches; what is asked from now on is for this one.
    home.forget_stop()
    home.forget(key for key, state in states.items() if not state.done)
    _say_plan(spec, states, left, console)
    for line in changes(before, trials) if before else ():
        console.print(line, soft_wrap=True)
    tracker.note_launch(Launched(command, len(trials)))
    if before != trials:
        write_record(home.directory, trials)
        home.publish(FILE)
    console.print(f"Trials     {home.shown}", soft_wrap=True)
    console.print(f"Tracking   {without_password(tracker.client.tracking_uri)}", soft_wrap=True)
    progress = Progress(console, trials)
    sender = Sender(tracker, progress.say)
    transfers = [transfer_of(trial, index, home) for index, trial in enumerate(trials)]
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
        if left or not all(state.done for state in states.values()):
            if (reason := features_unavailable()) is not None:
                console.print(f"KID        not measured: {reason}", soft_wrap=True)
            # Ray takes seconds to import; a launch with nothing to do needs none of it.
            from orchestrator.driver.ray_tune import train

            train(spec, trials, states, left, home, watch, console)
    finally:
        unsent = sender.close()
    if unsent:
        console.print(
            f"the tracking store misses news of {unsent} trial(s); launch again to send them",
            style="yellow",
        )
    return _say_summary(spec, progress, len(trials) + left, console)


def _say_plan(spec: SweepSpec, states: dict[str, TrialState], left: int, console: Console) -> None:
    finished = sum(state.finished for state in states.values())
    pruned = sum(state.done for state in states.values()) - finished
    begun = sum(state.step > 0 and not state.done for state in states.values())
    new = len(states) - finished - pruned - begun
    line = f"{len(states)} trials: {new} new, {begun} to go on with, {finished} finished"
    line += f", {pruned} pruned" if pruned else ""
    line += f"; {left} more to be chosen by the search" if left else ""
    console.print(f"{spec.name}: {line}", soft_wrap=True)


def _say_summary(spec: SweepSpec, progress: Progress, count: int, console: Console) -> bool:
    rows = list(progress.rows.values())
    for row in rows:
        if row.state == "failed":
            console.print(
                f"{row.name}: {row.reason}",
                style="red",
                soft_wrap=True,
            )
    # What was asked to stop before its first step is as it was.
    counts = Counter(row.state for row in rows if row.state != "stopped" or row.step)
    shown: tuple[State, ...] = ("pruned", "stopped", "failed")
    others = [f", {counts[state]} {state}" for state in shown if counts[state]]
    console.print(f"{counts['finished']} of {count} trials finished{''.join(others)}")
    done = counts["finished"] + counts["pruned"] == count
    if done:
        console.print(f"Next: {shlex.join(['colorsweep', 'report', spec.name])}", soft_wrap=True)
    else:
        again = shlex.join(["colorsweep", "launch", str(spec.path)])
        console.print(f"To go on: {again}", soft_wrap=True)
    return done
