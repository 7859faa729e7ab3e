"""Launch of a sweep, which trains every trial from its newest sound checkpoint."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from gan.byte_names import require_utf8
from gan.errors import HeldError, UserError
from gan.extras import features_unavailable
from gan.plain_text import masked
from orchestrator.driver.live_view import LiveView
from orchestrator.driver.monitor import Monitor
from orchestrator.driver.notifier import Notifier
from orchestrator.driver.pictures import (
    cannot_go_on,
    compared,
    digests_now,
    kept_back,
    other_pictures,
)
from orchestrator.driver.ray_cluster import Cluster, find_cluster
from orchestrator.driver.take_over import nothing_new, take_over
from orchestrator.driver.tracking_sync import TrackingSync
from orchestrator.store.manifest import changes, is_launched, read_manifest, write_manifest
from orchestrator.store.paths import MANIFEST, Locations
from orchestrator.store.sweep_store import SweepStore, store_of
from orchestrator.store.trial_state import require_writable, state_of, states_of
from orchestrator.sweep.dataset_check import check_datasets
from orchestrator.sweep.run_names import run_names
from orchestrator.sweep.search_space import chosen_before, to_suggest
from orchestrator.sweep.spec import is_shipped
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, corners
from orchestrator.worker import node_metrics
from reports.experiments import Claim
from reports.phase import TrialPhase, counted
from reports.store import Launched, require_answer
from reports.tracking import SweepTracker


def launch(
    spec: SweepSpec,
    trials: list[Trial],
    locations: Locations,
    uri: str,
    console: Console,
    command: str,
    again: str,
    *,
    fresh: bool = False,
) -> bool:
    """Train all unfinished trials; return whether every trial is finished or pruned.

    ``trials`` are those that the file names, ``uri`` is the tracking store's, ``command`` is the
    command line as typed, for the report, and ``again`` the one that goes on. With ``fresh``
    nothing is taken over from other sweeps.

    Raises:
        UserError: data, output, tracking store, environment or resources are unusable; nothing has
            been started.
    """
    require_utf8("--runs", locations.runs.absolute())
    require_utf8("current directory", Path.cwd())
    node_metrics.require_interval()
    store = store_of(locations, spec.name)
    store.open()
    chosen = chosen_before(spec, trials, read_manifest(store.directory))
    # Only to see which datasets are needed; the generators are verified below.
    states = states_of(spec, [*trials, *chosen], store.root, generators=False)
    todo = [trial for trial in [*trials, *chosen] if not states[trial.key].phase.is_done]
    todo += corners(spec) if to_suggest(spec, chosen) else []
    # The 489 shipped photographs are known to be good, and loading them takes seconds.
    unsure = [t for t in todo if t.config.dataset != "photos" or t.config.batch_size > 489]
    check_datasets(unsure, console)
    require_answer(uri, locations.runs)
    require_writable(store.directory)
    cluster = cache(find_cluster)
    if todo:
        cluster()  # asked before the sweep is held: another launch of it may be the right one
    say = partial(console.print, style="yellow", soft_wrap=True)
    with (
        Notifier(spec.notify, spec.name, locations, again, say) as notifier,
        _held(store, spec, locations, console),
    ):
        rename = f"rename {spec.path.name}, which names it, or launch a copy of another name"
        claim = Claim(store.owner(), store.directory, rename, is_shipped(spec.path))
        tracker = SweepTracker(uri, spec.name, claim)
        view, kept, left = _launch(
            spec, trials, store, tracker, notifier, console, command, cluster, fresh=fresh
        )
        done = _say_summary(spec, view, kept, left, locations, console, again)
        notifier.ended(done, {trial.key for trial in kept})
        return done


@contextmanager
def _held(
    store: SweepStore, spec: SweepSpec, locations: Locations, console: Console
) -> Iterator[None]:
    """Hold the sweep within the context; a refusal says how to reach the launch that has it."""
    with ExitStack() as stack:
        try:
            say = partial(console.print, soft_wrap=True)
            stack.enter_context(store.hold(f"{spec.name} is launched", say))
        except HeldError as error:
            watch = locations.command("status", spec.name, "--watch")
            stop = locations.command("stop", spec.name)
            raise UserError(f"{error}; to watch it: {watch}; to stop it: {stop}") from None
        yield


def _launch(
    spec: SweepSpec,
    trials: list[Trial],
    store: SweepStore,
    tracker: SweepTracker,
    notifier: Notifier,
    console: Console,
    command: str,
    cluster: Callable[[], Cluster | None],
    *,
    fresh: bool,
) -> tuple[LiveView, list[Trial], int]:
    """Train; return the view of all trials, those kept back, and the number yet to be chosen."""
    before = read_manifest(store.directory)
    chosen = chosen_before(spec, trials, before)
    trials = [*trials, *chosen]
    left = to_suggest(spec, chosen)
    # Read again: another launch may have trained until this one held the sweep. A trial without a
    # lock, as in a mirror, is dead now.
    found = states_of(spec, trials, store.root)
    states = {key: replace(s, is_locked=bool(s.is_locked)) for key, s in found.items()}
    # Requests made so far were for earlier launches.
    store.forget_stop()
    store.forget(key for key, state in states.items() if not state.phase.is_done)
    states = compared(trials, states, digests_now(trials, states, store.directory))
    taken = nothing_new(trials, states) if fresh else take_over(trials, states, store)
    states |= taken.states
    line = _counted((state.phase for state in states.values()), left)
    console.print(f"{spec.name}: {line}", soft_wrap=True)
    for line in [*taken.lines, *(changes(before, trials, states) if before else ())]:
        console.print(line, soft_wrap=True)
    trains = left > 0 or any(state.is_to_train for state in states.values())
    kept = kept_back(trials, states)
    warnings = [*taken.refusals, *other_pictures(trials, states)]
    for line in [*warnings, *(cannot_go_on(kept) if trains else ())]:
        console.print(line, style="yellow", soft_wrap=True)
    tracker.note_launch(Launched(command, len(trials)))
    if before != trials or not is_launched(store.directory):
        write_manifest(store.directory, trials)
        store.publish(MANIFEST)
    console.print(f"Trials     {store.shown}", soft_wrap=True)
    console.print(f"Tracking   {masked(tracker.client.tracking_uri)}", soft_wrap=True)
    if spec.notify is not None:
        console.print(f"Notify     {spec.notify.shown}", soft_wrap=True)
    if tracker.experiment != spec.name:
        console.print(f"Experiment {tracker.experiment}", soft_wrap=True)
    view = LiveView(console)
    tracking = TrackingSync(tracker, view.say)
    gone = [Trial(r.name, r.key, r.config) for r in tracker.runs() if r.key not in states]
    monitor = Monitor(trials, store, view, tracking, notifier, gone)
    for key, state in states.items():
        monitor.starts_from(key, state)
    names = run_names(trials, gone)
    for trial in gone:
        leave_out = partial(SweepTracker.leave_out, key=trial.key, run_name=names[trial.key])
        tracking.put(trial.key, leave_out)
    for run in tracker.runs():
        now = states.get(run.key)
        if now is not None and run.phase is not now.phase and not now.phase.is_done:
            # A dead process's phase, or that of a finished trial which is damaged or too short now.
            monitor.correct(run.key, now)
    try:
        if trains:
            if (reason := features_unavailable()) is not None:
                console.print(f"KID        not measured: {reason}", soft_wrap=True)
            if (reason := node_metrics.unavailable()) is not None:
                console.print(f"System     not measured: {reason}", soft_wrap=True)
            joined = cluster()
            # Ray takes seconds to import; a launch with nothing to do skips it.
            from orchestrator.driver.ray_tune import train

            def begin(trial: Trial) -> None:
                """Take over a trial that a search has chosen now."""
                state = state_of(trial, store.directory / trial.key)
                try:
                    lines = [] if fresh else take_over([trial], {trial.key: state}, store).lines
                except UserError as error:  # it is trained here, then
                    lines = [f"not taken over: {error}"]
                for line in lines:
                    view.say(line)

            train(spec, trials, states, left, store, monitor, notifier, console, joined, begin)
    finally:
        unsent = tracking.close()
    if unsent:
        console.print(
            f"{unsent} trial(s) could not be sent to the tracking store; launch again to send them",
            style="yellow",
        )
    return view, kept, len(trials) + left - len(view.rows)


def _counted(phases: Iterable[TrialPhase], left: int) -> str:
    return counted(phases) + (f"; {left} more to be chosen by the search" if left else "")


def _say_summary(
    spec: SweepSpec,
    view: LiveView,
    kept: list[Trial],
    left: int,
    locations: Locations,
    console: Console,
    again: str,
) -> bool:
    console.quiet = False  # the summary is the result, also with -q
    rows = list(view.rows.values())
    keys = {trial.key for trial in kept}
    others = [row for key, row in view.rows.items() if key not in keys]
    for row in others:
        if row.phase.is_failure and row.reason:
            console.print(f"{row.name}: {row.reason}", style="red", soft_wrap=True)
    console.print(_counted((row.phase for row in rows), left), soft_wrap=True)
    for line in cannot_go_on(kept):
        console.print(line, style="red", soft_wrap=True)
    done = not left and all(row.phase.is_done for row in others)
    if not done:
        console.print(f"To go on: {again}", soft_wrap=True)
    elif not kept:
        console.print(f"Next: {locations.command('report', spec.name)}", soft_wrap=True)
    return done and not kept
