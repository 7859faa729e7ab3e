"""Command ``launch``: starts or resumes a sweep; ``--dry-run`` only shows the plan."""

import os
import sys

import click

from gan.errors import UserError
from gan.plain_text import command_line, masked
from orchestrator.commands.completion import sweep_files
from orchestrator.commands.flag_values import FiniteRange
from orchestrator.commands.notify_option import (
    notify_option,
    shown_option,
    with_notify,
    without,
)
from orchestrator.commands.terminal import Screen, is_quiet, say
from orchestrator.store.paths import Locations
from orchestrator.sweep.notify import NotifyTarget
from orchestrator.sweep.spec import find_sweep, is_shipped, read_sweep, renaming
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, expand

fresh_option = click.option(
    "--fresh", is_flag=True, help="Take no trial over from another sweep: train them anew."
)


@click.command(short_help="Run or resume a sweep.")
@click.argument("sweep", shell_complete=sweep_files)
@click.option("--dry-run", is_flag=True, help="Print trials, time and cost; start nothing.")
@click.option("--price", type=FiniteRange(min=0), help="Price of one trial's hour, for --dry-run.")
@click.option("--json", "as_json", is_flag=True, help="Print the dry run as JSON.")
@fresh_option
@notify_option
@click.pass_obj
def launch(
    locations: Locations,
    sweep: str,
    dry_run: bool,
    price: float | None,
    as_json: bool,
    fresh: bool,
    notify: NotifyTarget | None,
) -> None:
    """Run or resume the sweep in the file SWEEP (or the shipped one of that name).

    Finished trials are skipped, begun ones go on from their newest checkpoint, the rest start.
    The same command therefore goes on after Ctrl-C, a crash or a preemption, and trains only
    new trials after an edit of the file. A trial that another sweep below the same --runs or
    --storage has finished on the same pictures is taken over; with --fresh it is trained anew.

    Joins a running Ray cluster (RAY_ADDRESS), else starts Ray here. MLFLOW_TRACKING_URI names the
    tracking store; MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true adds the use of each trial's node.

    --notify, or the key notify of the file, names a webhook or a command that is told once when a
    trial fails, when no node has room, and how the launch has ended.

    A file with a search chooses its trials by the results of others; one with a scheduler stops
    (prunes) those that are behind. Both remember the results of earlier launches.

    Exits with 1 if a trial is neither finished nor pruned, 2 on bad input.
    """
    spec = read_sweep(find_sweep(sweep))
    if dry_run:
        _dry_run(locations, spec, expand(spec), price, as_json, fresh)
        return
    if price is not None or as_json:
        raise UserError("--price and --json go with --dry-run")
    command = command_line(["colorsweep", *(masked(without(notify, w)) for w in sys.argv[1:])])
    words = [*["--fresh"] * fresh, *shown_option(notify)]
    again = locations.command("launch", str(spec.path), *words)
    run(with_notify(spec, notify), locations, command, again, fresh=fresh)


def run(spec: SweepSpec, locations: Locations, command: str, again: str, *, fresh: bool) -> None:
    """Launch a sweep; exit with 1 if a trial is neither finished nor pruned.

    ``command`` is the command line as typed, for the report, and ``again`` the one that goes on.
    With ``fresh`` nothing is taken over from other sweeps.
    """
    trials = expand(spec)
    try:
        from orchestrator.driver import launcher as driver
        from reports.store import default_uri

        uri = default_uri(locations.runs)
        screen = Screen(quiet=is_quiet())
        done = driver.launch(spec, trials, locations, uri, screen, command, again, fresh=fresh)
    except KeyboardInterrupt:  # before trials train, or for the second time
        say(f"To go on: {again}")
        raise
    if not done:
        sys.exit(1)


def _dry_run(
    locations: Locations,
    spec: SweepSpec,
    trials: list[Trial],
    price: float | None,
    as_json: bool,
    fresh: bool,
) -> None:
    from orchestrator.commands.dry_run import plan_json, plan_launch, print_plan
    from orchestrator.store.sweep_store import store_of

    store = store_of(locations, spec.name)
    store.open()
    screen = Screen(stderr=as_json, quiet=is_quiet())
    if "MLFLOW_TRACKING_URI" in os.environ and not is_shipped(spec.path):
        _require_own_name(spec, locations, screen)
    plan = plan_launch(spec, trials, store, price, screen, fresh=fresh)
    if as_json:
        click.echo(plan_json(plan))
    else:
        print_plan(plan, spec, Screen())


def _require_own_name(spec: SweepSpec, locations: Locations, screen: Screen) -> None:
    """Refuse the name of another owner's sweep, as a launch would; warn where none answers."""
    from orchestrator.store.sweep_store import known_owner
    from reports.experiments import holder_of_another, of_another
    from reports.store import default_uri, opened

    holder = None
    try:
        with opened(default_uri(locations.runs), known_owner(locations)) as client:
            holder = holder_of_another(client, spec.name)
    except UserError as error:
        screen.print(f"a launch would be refused: {error}", style="yellow", soft_wrap=True)
    if holder is not None:
        raise of_another(spec.name, holder, renaming(spec.path))
