"""Asks a sweep, or one of its trials, for a checkpoint and an end."""

from pathlib import Path

from gan.errors import UserError
from orchestrator.claim import is_claimed
from orchestrator.plan import Trial
from orchestrator.spec import listed, nearest
from orchestrator.state import stop_file, sweep_directory, trial_directory
from orchestrator.status import trials_of


def stop(runs: Path, sweep: str, wanted: str | None) -> list[Trial]:
    """Ask for it; the launch that runs hears it within about a second.

    Args:
        runs: directory of everything that is written.
        sweep: name of the sweep.
        wanted: a trial's name or key; None for all.

    Returns:
        The trials that were asked.

    Raises:
        UserError: there is no such sweep or trial, or nothing runs it.
    """
    trials = trials_of(runs, sweep)
    directory = sweep_directory(runs, sweep)
    if not is_claimed(directory):
        raise UserError(f"{sweep}: nothing runs it")
    if wanted is None:
        stop_file(directory).touch()
        return trials
    for trial in trials:
        if wanted in (trial.name, trial.key):
            file = stop_file(trial_directory(runs, sweep, trial))
            file.parent.mkdir(exist_ok=True)  # it may wait for its turn yet
            file.touch()
            return [trial]
    names = [trial.name for trial in trials]
    raise UserError(
        f"{sweep}: no trial {wanted!r}{nearest(wanted, names)}; there are: {listed(names)}"
    )
