"""The command line: parse, call, print. Heavy imports are inside the commands."""

import json
import shlex
import sys
import webbrowser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan.errors import UserError
from orchestrator.commands.colorize import colorize
from orchestrator.commands.export import export
from orchestrator.commands.train import train
from orchestrator.store.trial_state import Places

if TYPE_CHECKING:
    from orchestrator.commands.status import SweepStatus


class _Group(click.Group):
    """Turns the user's mistakes into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="COLORSWEEP_RUNS",
    show_default=True,
    show_envvar=True,
    help="Directory for checkpoints, the tracking store and reports.",
)
@click.option(
    "--storage",
    metavar="URI",
    envvar="COLORSWEEP_STORAGE",
    show_envvar=True,
    help="Object store for launched trials' checkpoints, if they are not to be below --runs:"
    " s3://BUCKET/PREFIX or gs://BUCKET/PREFIX.",
)
@click.version_option(package_name="colorsweep")
@click.pass_context
def main(ctx: click.Context, runs: Path, storage: str | None) -> None:
    """Train colorization GANs whose output obeys numbers, and compare them."""
    ctx.obj = Places(runs, storage)


for command in (train, colorize, export):
    main.add_command(command)


@main.command()
@click.argument("sweep")
@click.option("--dry-run", is_flag=True, help="Print the trials, time and cost left; no more.")
@click.option("--price", type=click.FloatRange(min=0), help="Of one trial's hour, for --dry-run.")
@click.option("--json", "as_json", is_flag=True, help="Print the dry run as JSON.")
@click.pass_obj
def launch(places: Places, sweep: str, dry_run: bool, price: float | None, as_json: bool) -> None:
    """Run, or go on with, the sweep in the file SWEEP (or the shipped one of that name).

    Finished trials are skipped, begun ones go on from their newest checkpoint, the rest start.
    The same command therefore goes on after Ctrl-C, a crash or a preemption, and trains only
    what is new after an edit of the file. Joins a running Ray cluster (RAY_ADDRESS), else
    starts Ray here. MLFLOW_TRACKING_URI names the tracking store.

    A file with a search chooses its trials by the results of others; one with a scheduler stops
    (prunes) those that are behind. Both remember what earlier launches have found.

    Exits with 1 if a trial is neither finished nor pruned, 2 on bad input.
    """
    from rich.console import Console

    from orchestrator.sweep.spec import find_sweep, read_sweep
    from orchestrator.sweep.trials import expand

    spec = read_sweep(find_sweep(sweep))
    trials = expand(spec)
    console = Console(highlight=False, markup=False)  # names may hold [brackets]
    if dry_run:
        from orchestrator.commands.dry_run import plan_json, plan_launch, print_plan
        from orchestrator.store.sweep_store import root_of

        quiet = Console(stderr=True, highlight=False, markup=False)
        root = root_of(places, spec.name, launched=False)
        plan = plan_launch(spec, trials, root, price, quiet if as_json else console)
        if as_json:
            click.echo(plan_json(plan))
        else:
            print_plan(plan, spec, console)
        return
    if price is not None or as_json:
        raise UserError("--price and --json go with --dry-run")
    from orchestrator.driver import launch as launching
    from reports.store import default_uri

    command = shlex.join(["colorsweep", *sys.argv[1:]])
    if not launching.launch(spec, trials, places, default_uri(places.runs), console, command):
        sys.exit(1)


@main.command()
@click.argument("sweep", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def status(places: Places, sweep: str | None, as_json: bool) -> None:
    """Say how each trial of SWEEP (its name) is; without one, how every sweep is.

    From their directories, or their storage, alone: also while they run elsewhere, and after
    everything has died. Goodput: the share of the time on workers that went into steps that
    counted.
    """
    from rich.console import Console

    from orchestrator.commands.status import print_overview, print_status, status_of
    from orchestrator.store.sweep_store import launched_sweeps, root_of

    def look(name: str) -> "SweepStatus":
        return status_of(root_of(places, name, launched=True), name)

    console = Console(highlight=False, markup=False)
    if sweep is not None:
        found = look(sweep)
        if as_json:
            click.echo(json.dumps(asdict(found), indent=1))
        else:
            print_status(found, console)
        return
    every = []
    for name in launched_sweeps(places):
        try:
            every.append(look(name))
        except UserError as error:  # of another version, or gone
            click.echo(f"Error: {error}", err=True)
    if as_json:
        click.echo(json.dumps([asdict(found) for found in every], indent=1))
    elif every:
        print_overview(every, console)
    else:
        click.echo(f"nothing has been launched yet in {places.storage or places.runs}")


@main.command()
@click.argument("sweep")
@click.argument("trial", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the trials that were asked as JSON.")
@click.pass_obj
def stop(places: Places, sweep: str, trial: str | None, as_json: bool) -> None:
    """Ask SWEEP, or one TRIAL of it (name or key), for a checkpoint and an end.

    The launch that runs it hears it within about a second, or with --storage some five; launch it
    again to go on.
    """
    from orchestrator.commands.stop import stop as ask

    asked = [found.name for found in ask(places, sweep, trial)]
    if as_json:
        click.echo(json.dumps({"sweep": sweep, "asked": asked}))
    else:
        click.echo("\n".join(f"asked to stop: {name}" for name in asked))


@main.command()
@click.argument("sweeps", metavar="SWEEP...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write into.  [default: RUNS/reports/SWEEP]",
)
@click.option("--all", "left_out", is_flag=True, help="Show trials that left the file, too.")
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@click.option("--log", is_flag=True, help="Keep the report in the tracking store, with the sweep.")
@click.pass_obj
def report(
    places: Places,
    sweeps: tuple[str, ...],
    out: Path | None,
    left_out: bool,
    opened: bool,
    log: bool,
) -> None:
    """Compare the trials of one SWEEP (its name), or of several, on a page.

    Writes index.html, which needs no other file and no network; the same as README.md with
    pictures; rows.csv and rows.json. Reads the tracking store alone, also while trials still run.

    Exits with 1 if --open cannot show the page, 2 on bad input.
    """
    from reports.page import write_report
    from reports.store import default_uri

    names = list(dict.fromkeys(sweeps))
    out = out or places.runs / "reports" / "+".join(names)
    page = write_report(default_uri(places.runs), names, out, left_out=left_out, log=log)
    click.echo(page)
    if log:
        line = f"kept in the tracking store: run 'report' of {', '.join(names)}"
        click.echo(line, err=True)  # what a script reads is the page's path alone
    if opened and not webbrowser.open(page.resolve().as_uri()):
        click.echo("Error: --open: no browser could show it", err=True)
        sys.exit(1)


@main.command()
@click.argument("sweep", required=False)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What to measure; auto: a GPU where there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def bench(sweep: str | None, device: str, as_json: bool) -> None:
    """Measure the speed of training here; with SWEEP, say how long that will take.

    Trains the seed's CIFAR nets, or those of SWEEP, on random pictures, in turns with a plain
    PyTorch loop (float32, NCHW, a DataLoader that converts each image to Lab on the CPU). Takes
    a minute or two for each kind of nets. Time that decoding pictures from disk may add is not in
    it.
    """
    from rich.console import Console

    from orchestrator.commands.bench import run_bench
    from orchestrator.sweep.spec import find_sweep, read_sweep
    from orchestrator.sweep.trials import expand, stand_ins

    spec = None if sweep is None else read_sweep(find_sweep(sweep))
    trials = [] if spec is None else expand(spec)
    if spec is not None and spec.search is not None:
        trials += stand_ins(spec, spec.search.trials)
    run_bench(spec, trials, device, as_json, Console(highlight=False, markup=False))


if __name__ == "__main__":
    main()
