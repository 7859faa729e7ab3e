"""Commands ``submit``, a launch as a job of a Ray cluster, and ``submitted``, within that job."""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.errors import UserError
from gan.plain_text import command_line, masked, printable
from orchestrator.commands.completion import sweep_files
from orchestrator.commands.launch import fresh_option, run
from orchestrator.commands.notify_option import notify_option, shown_option, with_notify
from orchestrator.commands.terminal import fail, say
from orchestrator.store.paths import Locations
from orchestrator.sweep.notify import NotifyTarget, notify_target
from orchestrator.sweep.spec import find_sweep, read_sweep
from orchestrator.sweep.trials import expand

if TYPE_CHECKING:
    from orchestrator.driver.ray_jobs import JobServer

DASHBOARD = (
    "give the cluster's dashboard: http://127.0.0.1:8265 on the head, or elsewhere through "
    "`ssh -N -L 8265:127.0.0.1:8265 HEAD`"
)


@click.command(short_help="Run or resume a sweep as a job of a Ray cluster.")
@click.argument("sweep", shell_complete=sweep_files)
@click.option(
    "--address",
    metavar="URL",
    envvar="RAY_API_SERVER_ADDRESS",
    show_envvar=True,
    help="Dashboard of the cluster: http://127.0.0.1:8265 on the head, or through a tunnel.",
)
@fresh_option
@notify_option
@click.pass_obj
def submit(
    locations: Locations,
    sweep: str,
    address: str | None,
    fresh: bool,
    notify: NotifyTarget | None,
) -> None:
    """Run or resume the sweep in the file SWEEP as a job of the Ray cluster at --address.

    The file travels in the job, and so do the variables MLFLOW_*, AWS_* and COLORSWEEP_* of this
    environment, or those whose beginnings COLORSWEEP_FORWARD lists; the dashboard and Ray's logs
    show them.
    Checkpoints need a place that all nodes share: --storage, or the absolute path of --runs on a
    shared file system. Datasets are looked for on the nodes; a relative path is one below the home
    directory there.

    The job's output is followed here until it ends. Ctrl-C stops following, not the job.

    Exits as the launch does: with 1 if a trial is neither finished nor pruned, 2 on bad input; with
    1, too, if the cluster does not answer any more.
    """
    if address is None:
        raise UserError(f"--address: is missing; {DASHBOARD}")
    path = find_sweep(sweep)
    spec = read_sweep(path)
    expand(spec)  # bad input is told before a job starts
    if locations.storage is None and not locations.runs.is_absolute():
        raise UserError(
            "submit: the job's nodes do not see this directory; give --storage s3://BUCKET/PREFIX, "
            "or --runs with the absolute path of a directory that they share"
        )
    server = job_server(address)
    from orchestrator.driver.ray_jobs import Lost, Submitted

    shown = masked(address)
    if (job := server.running(spec.name, locations)) is not None:
        raise UserError(
            f"{spec.name}: job {job} runs it already; to follow it: {_follow(job, shown)}"
        )
    words = ["--address", shown, *["--fresh"] * fresh, *shown_option(notify)]
    again = locations.command("submit", sweep, *words)
    text = path.read_text(encoding="utf-8")
    file = Submitted(path.name, text, again, None if notify is None else notify.text, fresh)
    job = server.submit(spec.name, file, locations)
    say(f"Job        {job}")
    try:
        outcome = server.follow(job, _write)
    except (KeyboardInterrupt, Lost) as end:
        lost = isinstance(end, Lost)
        say("")  # after ^C
        say(
            f"The cluster does not answer ({end}); the job may go on."
            if lost
            else "The job goes on."
        )
        say(f"Follow     {_follow(job, shown)}")
        say(f"Status     {locations.command('status', spec.name)}")
        say(f"Stop       {locations.command('stop', spec.name, '--address', shown)}")
        sys.exit(1 if lost else 0)
    if outcome.message:
        fail(outcome.message)
    sys.exit(outcome.exit_code)


@click.command(hidden=True)
@click.pass_obj
def submitted(locations: Locations) -> None:
    """Launch the sweep file of the job that this process is."""
    from orchestrator.driver.ray_jobs import Submitted

    if (file := Submitted.of_this_job()) is None:
        raise UserError("submitted: is the command of a job; use colorsweep submit")
    try:
        os.chdir(Path.home())  # Ray starts a job wherever `ray start` was typed
    except OSError as error:
        say(f"relative paths are below {Path.cwd()}; no home directory ({error.strerror})")
    with tempfile.TemporaryDirectory(prefix="colorsweep-") as directory:
        path = Path(directory) / file.name
        path.write_text(file.text, encoding="utf-8")
        spec = with_notify(read_sweep(path), notify_target(file.notify, "--notify"))
        run(spec, locations, command=file.again, again=file.again, fresh=file.fresh)


def job_server(address: str) -> "JobServer":
    """Return the job server at an address.

    Raises:
        UserError: the address is no URL, nothing answers there, or it wants another token.
    """
    if not address.startswith(("http://", "https://")):
        raise UserError(f"--address: {address!r} is no URL; {DASHBOARD}")
    from orchestrator.driver.ray_cluster import show_token

    address = address.rstrip("/")
    show_token(address)
    from orchestrator.driver.ray_jobs import JobServer

    return JobServer(address)


def _follow(job: str, address: str) -> str:
    """Return the command that follows a job; Ray's shows a token only if it is told to."""
    mode = "RAY_AUTH_MODE=token " if os.environ.get("RAY_AUTH_MODE") == "token" else ""
    return mode + command_line(["ray", "job", "logs", "--follow", job, "--address", address])


def _write(chunk: str) -> None:
    try:
        for line in chunk.splitlines(keepends=True):
            click.echo(printable(line.rstrip("\n")), nl=line.endswith("\n"))
    except BrokenPipeError:  # submit | head; the job goes on
        sys.exit(1)
