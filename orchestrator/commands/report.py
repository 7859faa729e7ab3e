"""Command ``report``: a page that compares the trials of sweeps."""

import json
import sys
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from orchestrator.commands.completion import sweep_names
from orchestrator.commands.terminal import fail, note, say
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import known_owner

SECONDS = 30
"""Time between two reports that are written while trials run."""
IDLE_LOOKS = 4
"""Looks without a trial that runs, though some are not finished, after which watching ends."""


@click.command(short_help="Compare trials on a page.")
@click.argument("sweeps", metavar="SWEEP...", nargs=-1, required=True, shell_complete=sweep_names)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write into.  [default: RUNS/reports/SWEEP]",
)
@click.option("--all", "left_out", is_flag=True, help="Show trials that left the file, too.")
@click.option(
    "--small",
    is_flag=True,
    help="Compress the page's pictures more: 2 MB at most, or little above.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
@click.option("--log", is_flag=True, help="Keep the report in the tracking store, with the sweep.")
@click.option(
    "--register", is_flag=True, help="Register the finished generators in MLflow's model registry."
)
@click.option(
    "--watch", is_flag=True, help="Write it again while trials run; an open page follows."
)
@click.option("--json", "as_json", is_flag=True, help="Print the paths of all files as JSON.")
@click.pass_obj
def report(
    locations: Locations,
    sweeps: tuple[str, ...],
    out: Path | None,
    left_out: bool,
    small: bool,
    opened: bool,
    log: bool,
    register: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Compare the trials of one SWEEP (its name), or of several, on a page.

    Writes index.html, which needs no other file and no network; the same as README.md with
    pictures; rows.csv and rows.json. Reads the tracking store alone, also while trials still run.

    With --register each finished trial is a version of the registered model SWEEP, with its targets
    as tags; a second time only newer generators are added.

    With --watch it is written anew every half a minute while trials run, as far as the tracking
    store knows, and a page that is open reads it again; Ctrl-C ends the watching alone.

    Exits with 1 if --open cannot show the page, 2 on bad input.
    """
    from reports.page import is_running, write_report
    from reports.registry import register_all
    from reports.store import default_uri

    names = list(dict.fromkeys(sweeps))
    out = out or locations.runs / "reports" / "+".join(names)
    uri, owner = default_uri(locations.runs), known_owner(locations)
    if register:
        for registered in register_all(uri, names, owner):
            note(registered)

    def write(*, last: bool) -> Path:
        reload = 0 if last else SECONDS
        options = {"left_out": left_out, "log": log and last, "small": small}
        return write_report(uri, names, out, owner, reload=reload, **options)

    page = write(last=not watch)
    if as_json:
        beside = {"markdown": "README.md", "csv": "rows.csv", "rows": "rows.json"}
        files = {kind: str(page.parent / name) for kind, name in beside.items()}
        found = {"sweeps": names, "page": str(page), **files}
        click.echo(json.dumps(found, indent=1))
    else:
        say(page)
    if opened and not webbrowser.open(page.resolve().as_uri()):
        fail("--open: no browser could show it")
        sys.exit(1)
    if watch:
        with suppress(KeyboardInterrupt):
            idle = 0
            # Between two trials, and while a launch starts, none runs.
            while (running := is_running(uri, names, owner)) or (
                running is None and idle < IDLE_LOOKS
            ):
                idle = 0 if running else idle + 1
                time.sleep(SECONDS)
                write(last=False)
        write(last=True)
    if log:
        line = f"kept in the tracking store: run 'report' of {', '.join(names)}"
        note(line)  # stdout has only the page's path, for scripts
