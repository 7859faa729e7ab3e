"""Trained generators from the tracking store, found by targets, by name or by run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gan.colour.statistics import STATISTICS
from gan.control import ControlName
from gan.errors import UserError
from reports.compare import control_error
from reports.generator_files import GENERATOR, elsewhere, fetch_generator
from reports.owner import Owner
from reports.phase import TrialPhase, counted
from reports.runs import LEFT_OUT, TrialRun, as_shown
from reports.store import find_run, last_launch, opened, read_sweep

Targets = Mapping[ControlName, float]
"""Target values by control name, each in the statistic's own unit."""


@dataclass(frozen=True)
class Choice:
    """A trial whose generator was fetched."""

    run: TrialRun
    generator: Path
    """Directory that the generator was fetched into."""
    passed: tuple[str, ...] = ()
    """Names of trials that come before it, but have no generator in the store."""


def by_run(uri: str, run_id: str, into: Path) -> Choice:
    """Fetch the generator of one run.

    Raises:
        UserError: there is no such run, or it has no generator.
    """
    with opened(uri) as client:
        run = find_run(client, run_id)
    if run is None:
        raise UserError(f"{run_id}: neither a file, a directory nor a trial's run")
    return _fetch(uri, [run], into)


def by_name(uri: str, sweep: str, trial: str, into: Path, owner: Owner | None = None) -> Choice:
    """Fetch the generator of a sweep's trial, given the trial's name, key or run id.

    The name is the one in the sweep's file, that of the run, or the one in ``status`` or a report.
    Of several of one name, the trial that the sweep's file still has is taken.

    Raises:
        UserError: there is no such trial, there are several, or it has no generator.
    """
    with opened(uri, owner) as client:
        runs = read_sweep(client, sweep, left_out=True)
    found: list[TrialRun] = []
    for these in ([run for run in runs if run.index != LEFT_OUT], runs):
        named = zip(these, as_shown(these), strict=True)
        found = found or [
            run
            for run, shown in named
            if trial in (run.name, run.run_name, shown.name, run.key, run.run_id)
        ]
    if len(found) > 1:
        keys = ", ".join(run.key for run in found)
        raise UserError(f"{sweep}: several trials are called {trial!r}; give a key: {keys}")
    if not found:
        raise UserError(f"{sweep}: no trial {trial!r}; there are: {_listed(runs)}")
    return _fetch(uri, found, into)


def by_targets(
    uri: str, sweep: str, several: Sequence[Targets], into: Path, owner: Owner | None = None
) -> list[Choice]:
    """Fetch, for each of several targets, the sweep's finished trial that is nearest to them.

    Raises:
        UserError: no finished trial of the sweep controls the wanted statistics.
    """
    with opened(uri, owner) as client:
        runs = read_sweep(client, sweep)
        launched = last_launch(client, sweep).trials
    finished = [run for run in runs if run.phase is TrialPhase.FINISHED]
    more = ""
    if (missing := launched - len(runs)) > 0:
        more = f"; {missing} more trials of its last launch are not in the tracking store yet"
    if not finished:
        raise UserError(f"{sweep}: no generator yet: {counted(r.phase for r in runs)}{more}")
    choices = []
    for wanted in several:
        if not (ranked := nearest(finished, wanted)):
            fit = (
                f"controls {' and '.join(wanted)}"
                if wanted
                else "is without control; name a target"
            )
            names = dict.fromkeys(" and ".join(r.config.controls) or "nothing" for r in finished)
            there = f"they control: {', '.join(names)}{more}"
            raise UserError(f"{sweep}: no finished trial {fit}; {there}")
        choices.append(_fetch(uri, ranked, into))
    return choices


def nearest(runs: Sequence[TrialRun], wanted: Targets) -> list[TrialRun]:
    """Sort the trials that control all wanted statistics, nearest targets first.

    Ties are broken in this order: fewest other controls, steered before recoloured, any-target
    trials (which get the number as an input) before others, smallest control error on held-out
    images. If ``wanted`` is empty, return the trials without control. Trials that need further
    targets as input are left out.
    """
    fit = [
        run
        for run in runs
        if wanted.keys() <= run.config.controls.keys()
        and run.config.any_controls.keys() <= wanted.keys()
        and (wanted or not run.config.controls)
    ]
    return sorted(
        fit,
        key=lambda run: (
            round(sum(distances(run, wanted, in_parts=True).values()), 6),
            len(run.config.controls),
            run.config.recolour,
            not run.config.any_controls,  # these get the exact number as an input
            torch.inf if (error := control_error(run)) is None else error,
        ),
    )


def distances(
    run: TrialRun, wanted: Targets, *, in_parts: bool = False
) -> dict[ControlName, float]:
    """Return the distance of each wanted target from the trial's, around the circle for hue.

    For a control with any target, measure to the nearest target that was drawn in training.

    Args:
        run: run of a trial that controls all of them.
        wanted: targets by control name.
        in_parts: whether to return shares of the statistic's range instead of its unit.
    """
    found = {}
    for name, value in wanted.items():
        control = run.config.controls[name]
        drawn = control.drawn(name) if control.is_any else [(control.wanted, control.wanted)]
        if any(low <= value <= high for low, high in drawn):
            found[name] = 0.0
            continue
        target = torch.tensor(drawn, dtype=torch.float64)
        found[name] = STATISTICS[name].distance(target, value).min().item()
        found[name] /= STATISTICS[name].span if in_parts else 1
    return found


def _listed(runs: Sequence[TrialRun]) -> str:
    names = [run.name for run in runs[:20]]
    names += [f"and {len(runs) - 20} more"] if len(runs) > 20 else []
    return "; ".join(names) or "none"


def _fetch(uri: str, runs: Sequence[TrialRun], into: Path) -> Choice:
    """Fetch the generator of the first trial for which the store has one, unless it is there.

    Raises:
        UserError: the store has none, or it is damaged.
    """
    with opened(uri) as client:
        for n, run in enumerate(runs):
            directory = into / run.run_id
            directory.mkdir(parents=True, exist_ok=True)
            there = directory / GENERATOR
            generator = there if there.exists() else fetch_generator(client, run, directory)
            if generator is not None:
                return Choice(run, generator, tuple(each.name for each in runs[:n]))
    first = runs[0]
    more = f"; {elsewhere(first)}" if first.phase is TrialPhase.FINISHED else ""
    raise UserError(f"{_listed(runs)}: no generator in the tracking store ({first.phase}){more}")
