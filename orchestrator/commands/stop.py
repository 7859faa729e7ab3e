"""Asks a sweep, or one of its trials, for a checkpoint and an end."""

from gan.errors import UserError
from orchestrator.commands.status import trials_of
from orchestrator.store.sweep_store import home_of
from orchestrator.store.trial_state import Places
from orchestrator.sweep.messages import listed, nearest
from orchestrator.sweep.trials import Trial


def stop(places: Places, sweep: str, wanted: str | None) -> list[Trial]:
    """Ask for it; the launch that runs hears it within a second, or five in an object store.

    Args:
        places: of everything that is written.
        sweep: name of the sweep.
        wanted: a trial's name or key; None for all.

    Returns:
        The trials that were asked.

    Raises:
        UserError: there is no such sweep or trial, or nothing runs it.
    """
    home = home_of(places, sweep)
    home.open()
    home.require_launched()
    trials = trials_of(home.root, sweep)
    if not home.is_claimed():
        raise UserError(f"{sweep}: nothing runs it")
    if wanted is None:
        home.ask_to_stop()
        return trials
    for trial in trials:
        if wanted in (trial.name, trial.key):
            home.ask_to_stop(trial.key)
            return [trial]
    names = [trial.name for trial in trials]
    raise UserError(
        f"{sweep}: no trial {wanted!r}{nearest(wanted, names)}; there are: {listed(names)}"
    )
