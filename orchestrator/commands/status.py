"""Command ``status``: sweeps and their trials, read from their files alone."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan.data.identity import of_other_pictures
from gan.errors import UserError
from gan.plain_text import masked
from orchestrator.commands.terminal import Screen, fail, say
from orchestrator.store.attempts import Attempt, goodput, restarts, wasted_steps
from orchestrator.store.manifest import launched_trials
from orchestrator.store.paths import Locations, trial_directory
from orchestrator.store.sweep_store import launched_sweeps, opened_root
from orchestrator.store.trial_state import TrialState, state_of
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase, counted
from reports.runs import own_steps
from reports.tables import duration


@dataclass(frozen=True)
class TrialStatus:
    """Trial as one line of the status."""

    name: str
    key: str
    phase: TrialPhase
    step: int
    """Newest step that its process has reported if one trains it, else ``durable_step``."""
    durable_step: int
    """Step of the newest sound checkpoint, from which a launch would go on."""
    total_steps: int | None
    """Length; like the steps before 0 for a recoloured trial, whose training is its baseline's."""
    seen: float | None
    """Time when its process was last alive, in seconds since the epoch."""
    restarts: int
    """Number of restarts after a death."""
    wasted_steps: int
    """Number of steps that were lost and repeated."""
    goodput: float | None
    """Share of the trial's time on workers that was spent on steps that counted."""
    checkpoint_share: float | None
    """Share of the trial's training time that checkpoints took."""
    reason: str
    """Reason why the trial failed or was pruned."""
    other_pictures: bool
    """Whether most of the sweep's trials of this dataset and path had other pictures."""


@dataclass(frozen=True)
class SweepStatus:
    """Status of a sweep's trials, with totals."""

    sweep: str
    goodput: float | None
    """Goodput of all trained trials; recoloured trials take no steps."""
    checkpoint_share: float | None
    """Share of the same trials' training time that checkpoints took."""
    trials: list[TrialStatus]


@click.command(short_help="Show trials and sweeps.")
@click.argument("sweep", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def status(locations: Locations, sweep: str | None, as_json: bool) -> None:
    """Show the trials of SWEEP (its name), or all sweeps.

    Reads their directories, or their object store, alone: also while they run elsewhere, and
    after everything has died. Goodput is the share of the time on workers that went into steps
    that counted. The step of a trial that nothing trains is that of its newest sound checkpoint;
    whether its generator is sound, too, is seen by launch and its --dry-run.
    """
    console = Screen()
    if sweep is not None:
        found = status_of(opened_root(locations, sweep, launched=True), sweep)
        if as_json:
            click.echo(json.dumps(asdict(found), indent=1))
        else:
            print_status(found, console)
        return
    every = []
    for name in launched_sweeps(locations):
        try:
            every.append(status_of(opened_root(locations, name, launched=True), name))
        except UserError as error:  # from another version, or gone
            fail(error)
    if as_json:
        click.echo(json.dumps([asdict(found) for found in every], indent=1))
    elif every:
        print_overview(every, console)
    else:
        where = locations.runs if locations.storage is None else masked(locations.storage)
        say(f"nothing has been launched yet in {where}")


def status_of(runs: Path, sweep: str) -> SweepStatus:
    """Return the status of every trial of a sweep's last launch.

    Raises:
        UserError: the sweep does not exist; the message lists those that do.
    """
    trials = launched_trials(runs, sweep)
    states = [state_of(trial, trial_directory(runs, sweep, trial.key)) for trial in trials]
    pairs = list(zip(trials, states, strict=True))
    trained = [[*state.attempts] for trial, state in pairs if not trial.config.recolour]
    every = (attempt for log in trained for attempt in log)
    others = of_other_pictures([(trial.config, state.dataset_digest) for trial, state in pairs])
    lines = [_line(*pair, other) for pair, other in zip(pairs, others, strict=True)]
    return SweepStatus(sweep, goodput(trained), _checkpoint_share(every), lines)


def _line(trial: Trial, state: TrialState, other_pictures: bool) -> TrialStatus:
    log = [*state.attempts]
    last = log[-1] if log else None
    step = state.step
    if last is not None and state.phase is TrialPhase.RUNNING:
        step = max(step, last.step)
    total = state.total_steps or (last.total_steps if last else None)
    own = own_steps(trial.config, state.phase, step, total)
    return TrialStatus(
        name=trial.name,
        key=trial.key,
        phase=state.phase,
        step=step if own else 0,
        durable_step=state.step if own else 0,
        total_steps=total if own else 0,
        seen=last.seen if last else None,
        restarts=restarts(log),
        wasted_steps=sum(wasted_steps(log)),
        goodput=goodput([log]),
        checkpoint_share=_checkpoint_share(log),
        reason=state.reason,
        other_pictures=other_pictures,
    )


def _checkpoint_share(log: Iterable[Attempt]) -> float | None:
    log = list(log)
    training = sum(attempt.counted + attempt.checkpoints for attempt in log)
    return sum(attempt.checkpoints for attempt in log) / training if training else None


def print_status(found: SweepStatus, console: Console) -> None:
    """Print a line for each trial, and the goodput of the sweep, within 80 columns."""
    if not found.trials:
        console.print(f"{found.sweep}: no trial yet", soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold", min_width=8)
    table.add_column("Phase")
    for heading in ("Step", "Seen", "Restarts", "Wasted", "Goodput"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.trials:
        total = "?" if row.total_steps is None else str(row.total_steps)
        table.add_row(
            row.name,
            Text(row.phase, row.phase.style),
            "" if row.total_steps == 0 else f"{row.step}/{total}",
            _ago(row.seen),
            str(row.restarts or ""),
            str(row.wasted_steps or ""),
            _share(row.goodput or None),  # a recoloured trial takes no steps
        )
    console.print(table)
    for row in found.trials:
        if row.reason:
            console.print(f"{row.name}: {row.reason}", style=row.phase.style, soft_wrap=True)
        if row.total_steps and row.step > row.total_steps:
            line = f"{row.name}: trained longer than its file asks, and kept so"
            console.print(line, style="yellow", soft_wrap=True)
        if row.other_pictures:
            line = f"{row.name}: trained on other pictures than most trials of its dataset"
            console.print(line, style="yellow", soft_wrap=True)
    line = f"{found.sweep}: {counted(row.phase for row in found.trials)}"
    console.print(line, soft_wrap=True)
    if found.goodput is not None:
        console.print(f"goodput {found.goodput:.1%}: share of time in steps that counted")
    if found.checkpoint_share is not None:
        console.print(f"checkpoints took {found.checkpoint_share:.1%} of the training time")


def print_overview(sweeps: Sequence[SweepStatus], console: Console) -> None:
    """Print a line for each sweep, within 80 columns."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("Sweep", overflow="fold", min_width=8)
    table.add_column("Trials", justify="right")
    table.add_column("Phases")
    for heading in ("Seen", "Restarts", "Wasted", "Goodput"):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in sweeps:
        counts = Counter(row.phase for row in found.trials)
        phases = (Text(f"{counts[p]} {p}", p.style) for p in TrialPhase if counts[p])
        table.add_row(
            found.sweep,
            str(len(found.trials)),
            Text(", ").join(phases),
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
