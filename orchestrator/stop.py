"""Asks a sweep, or one of its trials, for a checkpoint and an end."""

from pathlib import Path

from gan.errors import UserError
from orchestrator.claim import is_claimed
from orchestrator.mirror import Mirror, mirror_of, root_of
from orchestrator.plan import Trial
from orchestrator.spec import listed, nearest
from orchestrator.state import Places, stop_file, sweep_directory, trial_directory
from orchestrator.status import trials_of


def stop(places: Places, sweep: str, wanted: str | None) -> list[Trial]:
    """Ask for it; the launch that runs hears it within about a second.

    Args:
        places: of everything that is written.
        sweep: name of the sweep.
        wanted: a trial's name or key; None for all.

    Returns:
        The trials that were asked.

    Raises:
        UserError: there is no such sweep or trial, or nothing runs it.
    """
    trials = trials_of(root_of(places, sweep, launched=True), sweep)
    mirror = mirror_of(places, sweep)
    directory = sweep_directory(places.runs, sweep)
    if not (is_claimed(directory) if mirror is None else mirror.is_claimed()):
        raise UserError(f"{sweep}: nothing runs it")
    if wanted is None:
        _ask(stop_file(directory), mirror)
        return trials
    for trial in trials:
        if wanted in (trial.name, trial.key):
            _ask(stop_file(trial_directory(places.runs, sweep, trial)), mirror, trial.key)
            return [trial]
    names = [trial.name for trial in trials]
    raise UserError(
        f"{sweep}: no trial {wanted!r}{nearest(wanted, names)}; there are: {listed(names)}"
    )


def _ask(file: Path, mirror: Mirror | None, key: str = "") -> None:
    if mirror is None:
        file.parent.mkdir(exist_ok=True)  # a trial may wait for its turn yet
        file.touch()
    else:
        with mirror.in_one_line():
            mirror.ask_to_stop(key)
