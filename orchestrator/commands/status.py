"""Command ``status``: sweeps and their trials, read from their files alone."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan.errors import UserError
from gan.plain_text import masked
from orchestrator.commands.completion import sweep_names
from orchestrator.commands.terminal import Screen, fail, say
from orchestrator.driver.sweep_status import SweepReading, SweepStatus, read_status
from orchestrator.driver.trial_table import ago, share, trial_table
from orchestrator.driver.watch import watch
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import launched_sweeps, opened_root
from reports.phase import TrialPhase, counted, trials_are


@click.command(short_help="Show trials and sweeps.")
@click.argument("sweep", required=False, shell_complete=sweep_names)
@click.option("--watch", "watched", is_flag=True, help="Show SWEEP live until nothing runs it.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def status(locations: Locations, sweep: str | None, watched: bool, as_json: bool) -> None:
    """Show the trials of SWEEP (its name), or all sweeps.

    Reads their directories, or their object store, alone: also while they run elsewhere, and
    after everything has died. Metrics and the step of a trial that nothing trains are those of its
    newest sound checkpoint; whether its generator is sound, too, is seen by launch and its
    --dry-run. Columns without room, such as goodput (the share of the time on workers in steps that
    counted), are shown in a wider terminal, and in --json.

    With --watch the table is live, as that of the launch, until the launch has ended; Ctrl-C ends
    watching alone. Outside a terminal, lines tell what has changed.
    """
    console = Screen()
    if watched:
        _watch(locations, sweep, as_json, console)
        return
    if sweep is not None:
        reading = read_status(opened_root(locations, sweep), sweep)
        if as_json:
            click.echo(json.dumps(asdict(reading.status), indent=1))
        else:
            print_status(reading, console)
        return
    every = []
    for name in launched_sweeps(locations):
        try:
            every.append(read_status(opened_root(locations, name), name).status)
        except UserError as error:  # from another version, or gone
            fail(error)
    if as_json:
        click.echo(json.dumps([asdict(found) for found in every], indent=1))
    elif every:
        print_overview(every, console)
    else:
        where = locations.runs if locations.storage is None else masked(locations.storage)
        say(f"nothing has been launched yet in {where}")


def _watch(locations: Locations, sweep: str | None, as_json: bool, console: Console) -> None:
    if sweep is None or as_json:
        raise UserError("--watch: takes the name of a sweep, and no --json")
    if (reading := watch(locations, sweep, console)) is not None:
        print_status(reading, console)


def print_status(reading: SweepReading, console: Console) -> None:
    """Print a line for each trial, and the goodput of the sweep, within the console's width."""
    found = reading.status
    if not found.trials:
        console.print(f"{found.sweep}: no trial yet", soft_wrap=True)
        return
    console.print(trial_table([*reading.rows.values()], console.width))
    for row in found.trials:
        name = reading.rows[row.key].name
        if row.reason:
            console.print(f"{name}: {row.reason}", style=row.phase.style, soft_wrap=True)
        if row.total_steps and row.step > row.total_steps:
            line = f"{name}: trained longer than its file asks, and kept so"
            console.print(line, style="yellow", soft_wrap=True)
        if row.other_pictures:
            line = f"{name}: trained on other pictures than most trials of its dataset"
            console.print(line, style="yellow", soft_wrap=True)
    sources = Counter(row.taken_over_from for row in found.trials if row.taken_over_from)
    for source, count in sources.items():
        console.print(f"{trials_are(count)} taken over from {source}", soft_wrap=True)
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
            ago(max((row.seen for row in found.trials if row.seen), default=None)),
            str(sum(row.restarts for row in found.trials) or ""),
            str(sum(row.wasted_steps for row in found.trials) or ""),
            share(found.goodput),
        )
    console.print(table)
