"""Reading of a report's data from the tracking store."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gan.data.identity import of_other_pictures
from gan.errors import UserError
from reports import compare
from reports.command import as_trained
from reports.compare import in_order, recoloured_beside
from reports.experiments import Client
from reports.grids import is_picture
from reports.image_table import STAGES
from reports.runs import TrialRun
from reports.store import Launched, Tell, curve, last_launch, read_sweep, samples
from reports.views import at_targets, metric_of, middle, views

MOST_SHOWN = 24
"""Maximum number of trials with pictures; the others are only in plots and tables."""
MOST_NAMED = 5
LOSSES = (
    ("loss/l1", "L1 term"),
    ("loss/distribution", "distribution term"),
    ("loss/adversarial", "adversarial term"),
    ("loss/discriminator", "discriminator's loss"),
)
log = logging.getLogger(__name__)
Points = list[tuple[int, float]]
"""Pairs (step, value)."""


@dataclass(frozen=True)
class Read:
    """Data of a report, read from the tracking store."""

    sweeps: Sequence[str]
    runs: list[TrialRun]
    """Runs of all trials."""
    views: list[TrialRun]
    """The same runs, but any-target trials as one view per target."""
    shown: list[TrialRun]
    """Trials whose pictures are shown."""
    best: list[TrialRun]
    """Best trial or view of each target that several were steered to."""
    grids: dict[str, dict[int, bytes]]
    """Sample grids (PNG) by run id and step, of the shown trials and their recoloured baselines."""
    curves: dict[str, dict[str, Points]]
    """Curves by run id and metric; for an any-target trial, at its middle target."""
    launches: dict[str, Launched]
    """Last launch of each sweep."""
    warnings: list[str]
    """Warnings: a line for each run, or its pictures, that cannot be read, and on lengths."""

    def label(self, run: TrialRun) -> str:
        """Return a trial's name, preceded by its sweep if the report covers several."""
        return f"{run.sweep}: {run.name}" if len(self.sweeps) > 1 else run.name


def read_report(client: Client, sweeps: Sequence[str], *, left_out: bool) -> Read:
    """Read all data for a report on some sweeps.

    Raises:
        UserError: there is no such sweep, or it has no trials.
    """
    runs: list[TrialRun] = []
    warnings: list[str] = []

    def tell(line: str) -> None:
        log.warning(line)
        warnings.append(line)

    for sweep in sweeps:
        found = read_sweep(client, sweep, left_out=left_out, tell=tell)
        if not found:
            more = "" if left_out else " (--all shows trials that left its file, if there are any)"
            raise UserError(f"{sweep}: no trial has started yet{more}")
        runs += in_order(found)
    if longer := [run for run in runs if as_trained(run) != run.config]:
        names = ", ".join(f"{run.name} ({run.step} steps)" for run in longer[:MOST_NAMED])
        more = f" and {len(longer) - MOST_NAMED} more" if len(longer) > MOST_NAMED else ""
        tell(f"trained longer than the sweep asks now: {names}{more}; their numbers are of that")
    others = of_other_pictures([(run.config, run.dataset_digest) for run in runs])
    runs = [replace(run, other_pictures=o) for run, o in zip(runs, others, strict=True)]
    every = [v for sweep in sweeps for v in in_order(views([r for r in runs if r.sweep == sweep]))]
    best = compare.best_of_targets(every)
    shown = compare.shown_trials([run for run in runs if run.measured], best, MOST_SHOWN)
    grids = {run.run_id: _grids(client, run, STAGES + 1, tell) for run in shown}
    measured = [view for view in every if view.measured]
    for view in (view for run in shown for view in at_targets(run)):
        beside = recoloured_beside(view, measured)
        if beside is not None and beside.run_id not in grids:
            grids[beside.run_id] = _grids(client, beside, 1, tell)
    curves = {
        run.run_id: {
            metric: curve(client, run, metric_of(middle(run), metric))
            for metric in _metrics(middle(run))
        }
        for run in shown
    }
    launches = {sweep: last_launch(client, sweep) for sweep in sweeps}
    return Read(sweeps, runs, every, shown, best, grids, curves, launches, warnings)


def _grids(client: Client, run: TrialRun, most: int, tell: Tell) -> dict[int, bytes]:
    """Fetch sample grids of a trial by step; tell of those that are missing or damaged."""
    found = samples(client, run, most)
    sound = {step: png for step, png in found.items() if is_picture(png)}
    for step in sorted(found.keys() - sound.keys()):
        tell(f"{run.name}: left out its pictures of step {step}, which are damaged in the store")
    if not found:
        tell(f"{run.name}: has no pictures in the tracking store")
    return sound


def _metrics(run: TrialRun) -> list[str]:
    wanted = [f"eval/{name}_error" for name in run.config.controls]
    wanted += ["eval/mae", *(metric for metric, _ in LOSSES)]
    return [metric for metric in wanted if metric in run.metrics]
