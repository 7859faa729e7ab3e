"""Walls of held-out images: the originals and each trial's colorizations, with numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gan.control import ControlName
from reports.cell_data import BESIDE, KINDS, WAYS, Kind, Shot, shot_of
from reports.compare import differences, evenly, same_recipe
from reports.grids import Grids, Seen, last_of
from reports.phase import TrialPhase
from reports.pictures import Encoding, Strips
from reports.rows import metric
from reports.rows import shown as shown_value
from reports.runs import TrialRun
from reports.views import at_targets

STAGES = 6
"""Maximum number of earlier sample grids that show a trial's progress."""
MOST_SHOTS = 48
"""Approximate maximum of targets on an image table, over all of its any-target trials."""


@dataclass(frozen=True)
class ImageColumn:
    """Colorizations by one trial, in one shot per target."""

    run: TrialRun
    step: int
    """Step of the pictures; a running trial may be ahead of it."""
    shots: list[Shot]
    at: int
    """Index of the shot that is shown first."""
    note: str
    """Sweep if there are several, "any target", differences from other trials at the same targets,
    the seed if it is not that of most columns, and the phase if not finished; as far as they
    apply."""
    seed: str
    """Seed if the report has several and the note does not say it."""
    without: str
    """Of a trial without control: what it achieves in the statistic that other trials control, if
    that is one, and not hue, whose mean over a circle tells little; else empty."""

    @property
    def first(self) -> Shot:
        """Shot that is shown first."""
        return self.shots[self.at]

    def label(self, shot: Shot) -> str:
        """Return a short name of the trial at a target."""
        return shot.label + (f" ({self.note})" if self.note else "")

    def sentence(self, shot: Shot) -> str:
        """Return the wanted and achieved values at a target, in words."""
        note = ", ".join(part for part in (self.note, self.seed) if part)
        return shot.sentence + (f" ({note})" if note else "")


@dataclass(frozen=True)
class ImageTable:
    """The same pictures as colorized by several trials."""

    grey: list[str]
    """Data URI of each picture."""
    original: list[str]
    columns: list[ImageColumn]
    strips: list[str]
    """Data URIs, each of all pictures of a shot side by side."""

    @property
    def sweeps(self) -> list[str]:
        """Names of the sweeps that the columns belong to."""
        return list(dict.fromkeys(column.run.sweep for column in self.columns))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Name and size of each group of adjacent columns with the same controls."""
        names = [" + ".join(column.run.config.controls) or "no control" for column in self.columns]
        return [(name, len(list(these))) for name, these in groupby(names)]

    @property
    def ways(self) -> dict[Kind, str]:
        """Kinds of a trial's own pictures that at least one column has, with their names."""
        return self._named(WAYS)

    @property
    def beside(self) -> dict[Kind, str]:
        """Kinds to compare them with that at least one column has, with their names."""
        return self._named(BESIDE)

    def _named(self, kinds: Sequence[Kind]) -> dict[Kind, str]:
        there = {kind for c in self.columns for shot in c.shots for kind in shot.strips}
        return {kind: KINDS[kind] for kind in kinds if kind in there}

    @property
    def stops(self) -> int:
        """Number of slider positions: the targets of all columns."""
        return sum(len(column.shots) for column in self.columns)


def image_tables(
    shown: Sequence[TrialRun],
    runs: Sequence[TrialRun],
    grids: Grids,
    seed: int | None = None,
    *,
    small: bool = False,
) -> list[ImageTable]:
    """Make an image table for each set of held-out images.

    Args:
        shown: trials to show, in order.
        runs: all trials, and the views of any-target trials.
        grids: sample grids of the shown trials and of the recoloured ones.
        seed: seed of most of the shown trials, if the report has several.
        small: whether the page is to be small.
    """
    groups: dict[str, list[TrialRun]] = {}
    of_runs = {run.run_id: run for run in runs}.values()  # a trial and its views share a run
    seen = {run.run_id: found for run in of_runs if (found := last_of(run, grids)) is not None}
    for run in shown:
        if run.run_id in seen and _with_pictures(run, seen):
            groups.setdefault(run.pictures_key, []).append(run)
    return [_image_table(these, runs, seen, grids, seed, small=small) for these in groups.values()]


def _image_table(
    shown: list[TrialRun],
    runs: Sequence[TrialRun],
    seen: dict[str, Seen],
    grids: Grids,
    seed: int | None,
    *,
    small: bool,
) -> ImageTable:
    first = seen[shown[0].run_id]
    grey, original = (first.find(kind, shown[0]) for kind in ("grayscale", "original"))
    assert grey is not None, "a sample grid begins with them"
    assert original is not None, "a sample grid begins with them"
    several = sum(bool(run.config.any_controls) for run in shown)
    most = max(3, MOST_SHOTS // max(1, several))
    of_columns = [evenly(_with_pictures(run, seen), most) for run in shown]
    shots = sum(len(views) for views in of_columns)
    size = shown[0].config.image_size
    count = (4 * shots + 2) * len(original)
    encoding = Encoding.fitting(size, count, small=small)
    strips = Strips(encoding)
    columns = []
    controlled = {name for run in shown for name in run.config.controls}
    of_several = len({run.sweep for run in runs}) > 1
    for run, apart, views in zip(shown, _apart(shown, runs), of_columns, strict=True):
        at = len(views) // 2
        own_seed = "" if seed is None else f"seed {run.config.seed}"
        is_odd = run.config.seed != seed and own_seed not in apart.split(", ")
        sweeps = _sweeps(run, runs) if of_several else []
        note = _note(run, " + ".join(sweeps), apart, own_seed if is_odd else "")
        columns.append(
            ImageColumn(
                run=run,
                step=seen[run.run_id].step,
                shots=[
                    shot_of(
                        view,
                        in_cells=i == at,
                        original=original,
                        runs=runs,
                        seen=seen,
                        grids=grids,
                        strips=strips,
                    )
                    for i, view in enumerate(views)
                ],
                at=at,
                note=note,
                seed="" if own_seed in note.split(", ") else own_seed,
                without=_without_control(run, controlled),
            )
        )
    return ImageTable(
        grey=[encoding.uri(picture) for picture in grey],
        original=[encoding.uri(picture) for picture in original],
        columns=columns,
        strips=strips.uris,
    )


def _with_pictures(run: TrialRun, seen: dict[str, Seen]) -> list[TrialRun]:
    views = at_targets(run)
    return [v for v in views if seen[run.run_id].find("colorized", v) is not None]


def _apart(shown: Sequence[TrialRun], runs: Sequence[TrialRun]) -> list[str]:
    """Describe how each trial differs from others of its sweep, also where an equal one stands."""
    seeds = {run.sweep: run.config.seed for run in shown}
    recipes = {same_recipe(run) for run in shown}
    same = [
        # The seed that the sweep is shown by is no difference.
        replace(run, config=run.config.model_copy(update={"seed": seeds[run.sweep]}))
        for run in runs
        if run.whole is None and run.sweep in seeds and same_recipe(run) in recipes
    ]
    return differences([*shown, *same])[: len(shown)]


def _sweeps(run: TrialRun, runs: Sequence[TrialRun]) -> list[str]:
    """Return the sweeps that have measured a trial, or its equal: they share a column."""
    key = (same_recipe(run), run.config.seed)
    equal = [r for r in runs if r.measured and (same_recipe(r), r.config.seed) == key]
    return list(dict.fromkeys(r.sweep for r in [run, *equal]))


def _without_control(run: TrialRun, controlled: Collection[ControlName]) -> str:
    """Format what a trial without control achieves in the only statistic that others control."""
    if run.config.controls or len(controlled) != 1 or "hue" in controlled:
        return ""
    (name,) = controlled
    value = metric(run, name)
    return "" if value is None else shown_value(name, value, 3)


def _note(run: TrialRun, sweeps: str, apart: str, seed: str) -> str:
    phase = "" if run.phase is TrialPhase.FINISHED else run.phase
    any_target = "any target" if run.config.any_controls else ""
    parts = (sweeps, any_target, apart, seed, phase)
    return ", ".join(part for part in parts if part)
