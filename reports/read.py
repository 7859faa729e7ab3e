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
from reports.fetch import Points, fetch_all, samples
from reports.fetch import curves as fetched_curves
from reports.grids import is_picture
from reports.image_table import STAGES
from reports.runs import TrialRun, as_shown
from reports.store import Launched, Tell, last_launch, read_sweep
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
    """Best trials or views of each target that several settings were steered to."""
    seed: int | None
    """Seed of the shown trials, if there are several and it has them; None if there is one."""
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
    runs = as_shown(runs)
    if longer := [run for run in runs if as_trained(run) != run.config]:
        names = ", ".join(f"{run.name} ({run.step} steps)" for run in longer[:MOST_NAMED])
        more = f" and {len(longer) - MOST_NAMED} more" if len(longer) > MOST_NAMED else ""
        tell(f"trained longer than the sweep asks now: {names}{more}; their numbers are of that")
    others = of_other_pictures([(run.config, run.dataset_digest) for run in runs])
    runs = [replace(run, other_pictures=o) for run, o in zip(runs, others, strict=True)]
    every = [v for sweep in sweeps for v in in_order(views([r for r in runs if r.sweep == sweep]))]
    best = compare.best_of_targets(every)
    measured = [run for run in runs if run.measured]
    shown = compare.shown_trials(measured, best, MOST_SHOWN)
    grids = _grids(client, shown, [view for view in every if view.measured], tell)
    curves = _curves(client, shown)
    launched = fetch_all(lambda sweep: last_launch(client, sweep), sweeps)
    launches = dict(zip(sweeps, launched, strict=True))
    seed = compare.shown_seed(measured)
    return Read(sweeps, runs, every, shown, best, seed, grids, curves, launches, warnings)


def _grids(
    client: Client, shown: Sequence[TrialRun], measured: Sequence[TrialRun], tell: Tell
) -> dict[str, dict[int, bytes]]:
    """Fetch sample grids of the shown trials, and the newest of the recoloured ones beside them.

    Tell of grids that are missing or damaged.
    """
    wanted = {run.run_id: (run, STAGES + 1) for run in shown}
    for view in (view for run in shown for view in at_targets(run)):
        if (beside := recoloured_beside(view, measured)) is not None:
            wanted.setdefault(beside.run_id, (beside, 1))
    grids = {}
    for (run, _), found in zip(wanted.values(), samples(client, [*wanted.values()]), strict=True):
        sound = {step: png for step, png in found.items() if is_picture(png)}
        for step in sorted(found.keys() - sound.keys()):
            damaged = f"its pictures of step {step}, which are damaged in the store"
            tell(f"{run.name}: left out {damaged}")
        if not found:
            tell(f"{run.name}: has no pictures in the tracking store")
        grids[run.run_id] = sound
    return grids


def _curves(client: Client, shown: Sequence[TrialRun]) -> dict[str, dict[str, Points]]:
    wanted = [(run, metric) for run in shown for metric in _metrics(middle(run))]
    names = [(run, metric_of(middle(run), metric)) for run, metric in wanted]
    found: dict[str, dict[str, Points]] = {run.run_id: {} for run in shown}
    for (run, metric), points in zip(wanted, fetched_curves(client, names), strict=True):
        found[run.run_id][metric] = points
    return found


def _metrics(run: TrialRun) -> list[str]:
    wanted = [f"eval/{name}_error" for name in run.config.controls]
    wanted += ["eval/mae", *(metric for metric, _ in LOSSES)]
    return [metric for metric in wanted if metric in run.metrics]
