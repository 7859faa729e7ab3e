"""How sweeps are, from directories alone: also while they run elsewhere, or after all has died."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan.errors import UserError
from orchestrator.store.attempts import Attempt, attempts, goodput, restarts, wasted_steps
from orchestrator.store.lock import is_held
from orchestrator.store.manifest import launched, read_record
from orchestrator.store.trial_state import TrialState, state_of, sweep_directory, trial_directory
from orchestrator.sweep.messages import listed, nearest
from orchestrator.sweep.trials import Trial
from reports.tables import duration

SILENT_SECONDS = 60.0
"""After so long without a sign of life an attempt elsewhere that never ended is taken for dead."""

State = Literal["waiting", "running", "stopped", "pruned", "failed", "died", "finished"]
STYLES: dict[State, str] = {
    "waiting": "dim",
    "running": "cyan",
    "stopped": "yellow",
    "pruned": "magenta",
    "failed": "red",
    "died": "red",
    "finished": "green",
}


@dataclass(frozen=True)
class TrialStatus:
    """How a trial is."""

    name: str
    key: str
    state: State
    step: int
    """The newest that anybody has seen."""
    durable_step: int
    """Of the newest checkpoint."""
    total_steps: int | None
    seen: float | None
    """Seconds since the epoch."""
    restarts: int
    """After deaths."""
    wasted_steps: int
    """Taken, lost and taken again."""
    goodput: float | None
    """Share of its time on workers that went into steps that counted."""
    checkpoint_share: float | None
    """Share of its training time that checkpoints took."""
    reason: str
    """Why it failed, or a scheduler stopped it."""


@dataclass(frozen=True)
class SweepStatus:
    """How a sweep is."""

    sweep: str
    goodput: float | None
    """Of all trials that are trained; one that is recoloured takes no steps."""
    checkpoint_share: float | None
    """Of the same."""
    trials: list[TrialStatus]


def status_of(runs: Path, sweep: str) -> SweepStatus:
    """Look at every trial of a sweep's last launch.

    Raises:
        UserError: there is no such sweep; the message lists those that are.
    """
    trials = trials_of(runs, sweep)
    histories = [attempts(trial_directory(runs, sweep, trial)) for trial in trials]
    found = [_status(runs, sweep, *pair) for pair in zip(trials, histories, strict=True)]
    trained = [h for trial, h in zip(trials, histories, strict=True) if not trial.config.recolour]
    every = [attempt for history in trained for attempt in history]
    return SweepStatus(sweep, goodput(trained), _checkpoint_share(every), found)


def _checkpoint_share(of: list[Attempt]) -> float | None:
    training = sum(attempt.counted + attempt.checkpoints for attempt in of)
    return sum(attempt.checkpoints for attempt in of) / training if training else None


def trials_of(runs: Path, sweep: str) -> list[Trial]:
    """Return the trials of a sweep's last launch.

    Raises:
        UserError: there is no such sweep; the message lists those that are.
    """
    if not (trials := read_record(sweep_directory(runs, sweep))):
        known = launched(runs)
        raise UserError(
            f"{sweep}: no such sweep below {runs}{nearest(sweep, known)}; "
            f"there are: {listed(known) if known else 'none'}"
        )
    return trials


def _status(runs: Path, sweep: str, trial: Trial, history: list[Attempt]) -> TrialStatus:
    directory = trial_directory(runs, sweep, trial)
    durable = state_of(trial, directory)
    last = history[-1] if history else None
    reason = durable.mark.reason if durable.mark else last.reason if last else ""
    return TrialStatus(
        name=trial.name,
        key=trial.key,
        state=_state(durable, last, is_held(directory)),
        step=max(durable.step, last.step if last else 0),
        durable_step=durable.step,
        total_steps=durable.total_steps or (last.total_steps if last else None),
        seen=last.seen if last else None,
        restarts=restarts(history),
        wasted_steps=sum(wasted_steps(history)),
        goodput=goodput([history]),
        checkpoint_share=_checkpoint_share(history),
        reason="" if durable.finished else reason,
    )


def _state(durable: TrialState, last: Attempt | None, held: bool | None) -> State:
    if durable.done:
        return "finished" if durable.finished else "pruned"
    if last is None or last.ended == "finished":  # more steps are asked of it since
        return "waiting"
    if last.ended in ("failed", "stopped"):
        return last.ended
    if held is None:  # in a mirror there are no locks
        held = time.time() - last.seen < SILENT_SECONDS
    return "running" if held else "died"


def print_status(found: SweepStatus, console: Console) -> None:
    """Print a line for each trial, and the goodput of the sweep; fits 80 columns."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold", min_width=8)
    table.add_column("State")
    for heading in ("Step", "Seen", "Restarts", "Wasted", "Goodput"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.trials:
        total = "?" if row.total_steps is None else str(row.total_steps)
        table.add_row(
            row.name,
            Text(row.state, STYLES[row.state]),
            f"{row.step}/{total}",
            _ago(row.seen),
            str(row.restarts or ""),
            str(row.wasted_steps or ""),
            _share(row.goodput or None),  # what recolours trains nothing
        )
    console.print(table)
    for row in found.trials:
        if row.reason:
            console.print(f"{row.name}: {row.reason}", style=STYLES[row.state], soft_wrap=True)
    counts = Counter(row.state for row in found.trials)
    pruned = f", {counts['pruned']} pruned" if counts["pruned"] else ""
    line = f"{found.sweep}: {counts['finished']} of {len(found.trials)} trials finished{pruned}"
    console.print(line, soft_wrap=True)
    if found.goodput is not None:
        console.print(f"goodput {found.goodput:.1%}: steps that counted, of the time of training")
    if found.checkpoint_share is not None:
        console.print(f"checkpoints took {found.checkpoint_share:.1%} of the training time")


def print_overview(sweeps: Sequence[SweepStatus], console: Console) -> None:
    """Print a line for each sweep; fits 80 columns."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Sweep", overflow="fold", min_width=8)
    table.add_column("Trials", justify="right")
    table.add_column("States")
    for heading in ("Seen", "Restarts", "Wasted", "Goodput"):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in sweeps:
        counts = Counter(row.state for row in found.trials)
        states = (Text(f"{counts[s]} {s}", style) for s, style in STYLES.items() if counts[s])
        table.add_row(
            found.sweep,
            str(len(found.trials)),
            Text(", ").join(states),
            _ago(max((row.seen for row in found.trials if row.seen), default=None)),
            str(sum(row.restarts for row in found.trials) or ""),
            str(sum(row.wasted_steps for row in found.trials) or ""),
            _share(found.goodput),
        )
    console.print(table)


def _ago(seen: float | None) -> str:
    return "" if seen is None else f"{duration(max(0, time.time() - seen))} ago"


def _share(goodput: float | None) -> str:
    return "" if goodput is None else f"{goodput:.0%}"
