"""Live view of a sweep from its files alone, wherever the launch runs."""

import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from orchestrator.driver.live_view import LiveView
from orchestrator.driver.sweep_status import SweepReading, read_status
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.object_store import answer_of
from orchestrator.store.object_sweep import LOOK_SECONDS
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import SweepStore, is_held_check, store_of
from reports.phase import counted

ROUND_SECONDS = 2.0
"""Interval of readings of a directory; of an object store it is that of the workers' uploads."""
READING_SHARE = 0.25
"""Maximum share of time spent on readings: those of thousands of trials are made less often."""


def watch(locations: Locations, sweep: str, console: Console) -> SweepReading | None:
    """Show a sweep until nothing runs it any more, or until Ctrl-C.

    Returns the last reading, made after the end; None if Ctrl-C came before the first.

    Raises:
        UserError: the sweep was not launched, or the object store does not answer at the start.
    """
    last = None
    with suppress(KeyboardInterrupt):
        store = store_of(locations, sweep)
        store.open()
        store.require_launched()
        is_held = is_held_check(store)
        with LiveView(console, transient=True) as view:
            going_on = True
            while going_on:
                began = time.monotonic()
                # Looked at first: what is read after the end is the last state.
                held = _answered(is_held, store, view)
                reading = read_status(store.root, sweep, is_held=held)
                before, last = last, reading
                _show(reading, before, view)
                going_on = held is not False or any(
                    r.phase.is_active for r in reading.rows.values()
                )
                if going_on:
                    _wait(store, began)
    return last


def _answered(is_held: Callable[[], bool], store: SweepStore, view: LiveView) -> bool | None:
    """Update the mirror, and return whether a launch holds the sweep; None if it is not known."""
    try:
        held = is_held()
        store.refresh("")
    except OSError as error:
        view.say(f"{store.shown}: {answer_of(error)}; asked again")
        return None
    now = time.strftime("%H:%M:%S")
    note = f"as of {now}; Ctrl-C ends watching, and not the sweep"
    view.say(note if view.console.is_terminal else "")
    return held


def _show(reading: SweepReading, before: SweepReading | None, view: LiveView) -> None:
    status = reading.status
    if before is None and not view.console.is_terminal:
        line = f"{status.sweep}: {counted(row.phase for row in status.trials)}"
        view.console.print(line, soft_wrap=True)
    for key in view.rows.keys() - reading.rows.keys():  # a later launch left the trial out
        del view.rows[key]
    for key, row in reading.rows.items():
        if before is None and not row.phase.is_active:
            view.rows[key] = row  # nothing new
        else:
            view.show(key, row)


def _wait(store: SweepStore, began: float) -> None:
    pause = ROUND_SECONDS if isinstance(store, LocalSweep) else LOOK_SECONDS
    taken = time.monotonic() - began
    time.sleep(max(pause - taken, taken / READING_SHARE - taken))
