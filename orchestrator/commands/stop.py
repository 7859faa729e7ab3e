"""Command ``stop``: a stop request to a running sweep or one of its trials."""

import json

import click

from gan.errors import UserError
from gan.plain_text import there_are
from orchestrator.commands.completion import sweep_names
from orchestrator.commands.submit import job_server
from orchestrator.commands.terminal import say
from orchestrator.store.lock import is_locked
from orchestrator.store.manifest import launched_trials
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import store_of
from orchestrator.sweep.trials import Trial
from reports.names import shown_names


@click.command(short_help="Ask a running sweep or trial to stop.")
@click.argument("sweep", shell_complete=sweep_names)
@click.argument("trial", required=False)
@click.option("--address", metavar="URL", help="Stop the job at this dashboard that runs SWEEP.")
@click.option("--json", "as_json", is_flag=True, help="Print the trials that were asked as JSON.")
@click.pass_obj
def stop(
    locations: Locations, sweep: str, trial: str | None, address: str | None, as_json: bool
) -> None:
    """Ask SWEEP, or one TRIAL of it (name or key), to checkpoint and stop.

    This takes about a second, about five with --storage. Launch the sweep again to resume it; a
    trial that ``train`` made goes on with the command that made it.

    With --address, the job of ``colorsweep submit`` that runs the sweep is stopped, from anywhere.
    """
    if address is not None:
        job = stop_job(locations, sweep, trial, address)
        if as_json:
            click.echo(json.dumps({"sweep": sweep, "job": job}))
        else:
            say(f"asked to stop: {sweep}, job {job}")
        return
    asked = [found.name for found in ask_to_stop(locations, sweep, trial)]
    if as_json:
        click.echo(json.dumps({"sweep": sweep, "asked": asked}))
    else:
        for name in asked or [f"{sweep}, which has no trial yet"]:
            say(f"asked to stop: {name}")


def stop_job(locations: Locations, sweep: str, trial: str | None, address: str) -> str:
    """Ask the job that runs a sweep to stop; return the job's id.

    Raises:
        UserError: no job runs it, or the cluster's job server does not answer.
    """
    if trial is not None:
        raise UserError("--address: stops a whole sweep; a trial is stopped where its files are")
    server = job_server(address)
    if (job := server.running(sweep, locations)) is None:
        raise UserError(f"{sweep}: no job of {address} runs it")
    server.stop(job)
    return job


def ask_to_stop(locations: Locations, sweep: str, wanted: str | None) -> list[Trial]:
    """Ask a sweep, or its trial of the name (stored or shown) or key ``wanted``, to stop.

    Returns:
        The trials that were asked.

    Raises:
        UserError: there is no such sweep or trial, or nothing runs it.
    """
    store = store_of(locations, sweep)
    store.open()
    store.require_launched()
    trials = launched_trials(store.root, sweep)
    running = trials
    if not (held := store.is_held()):  # single trials may run without a launch
        running = [trial for trial in trials if is_locked(store.directory / trial.key)]
        if not running:
            raise UserError(f"{sweep}: nothing runs it")
    if wanted is None:
        for key in [""] if held else [trial.key for trial in running]:
            store.ask_to_stop(key)
        return running
    names = [trial.name for trial in trials]
    shown = shown_names(names, [trial.config for trial in trials])
    found = [trial for trial in trials if wanted in (trial.name, trial.key)]
    found += [trial for trial, name in zip(trials, shown, strict=True) if wanted == name]
    for trial in found[:1]:
        if trial not in running:
            raise UserError(f"{sweep}: {trial.name}: nothing runs it")
        store.ask_to_stop(trial.key)
        return [trial]
    raise UserError(f"{sweep}: no trial {wanted!r}{there_are(wanted, names)}")
