"""Walls of held-out images: the originals and each trial's colorizations, with numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.cell_data import KINDS, Kind, Shot, shot_of
from reports.compare import differences, evenly
from reports.grids import Grids, Seen, last_of
from reports.phase import TrialPhase
from reports.pictures import Strips, data_uri, shown_side
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
    cells: list[str]
    """Data URI of each picture of the shot that is shown first."""
    shots: list[Shot]
    at: int
    """Index of the shot that is shown first."""
    note: str
    """Sweep if there are several, "any target", differences from other trials at the same targets,
    and the phase if not finished; as far as they apply."""

    @property
    def first(self) -> Shot:
        """Shot that is shown first."""
        return self.shots[self.at]

    def label(self, shot: Shot) -> str:
        """Return a short name of the trial at a target."""
        return shot.label + (f" ({self.note})" if self.note else "")

    def sentence(self, shot: Shot) -> str:
        """Return the wanted and achieved values at a target, in words."""
        return shot.sentence + (f" ({self.note})" if self.note else "")


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
    def kinds(self) -> dict[Kind, str]:
        """Kinds of pictures that at least one column has, with their names."""
        there = {kind for c in self.columns for shot in c.shots for kind in shot.strips}
        return {kind: name for kind, name in KINDS.items() if kind in there}

    @property
    def stops(self) -> int:
        """Number of slider positions: the targets of all columns."""
        return sum(len(column.shots) for column in self.columns)


def image_tables(
    shown: Sequence[TrialRun], runs: Sequence[TrialRun], grids: Grids
) -> list[ImageTable]:
    """Make an image table for each set of held-out images.

    Args:
        shown: trials to show, in order.
        runs: all trials, and the views of any-target trials.
        grids: sample grids of the shown trials and of the recoloured ones.
    """
    groups: dict[str, list[TrialRun]] = {}
    of_runs = {run.run_id: run for run in runs}.values()  # a trial and its views share a run
    seen = {run.run_id: found for run in of_runs if (found := last_of(run, grids)) is not None}
    for run in shown:
        if run.run_id in seen and _with_pictures(run, seen):
            groups.setdefault(run.pictures_key, []).append(run)
    return [_image_table(these, runs, seen, grids) for these in groups.values()]


def _image_table(
    shown: list[TrialRun], runs: Sequence[TrialRun], seen: dict[str, Seen], grids: Grids
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
    side = shown_side(size, pictures=(3 * shots + len(shown) + 2) * len(original))
    strips = Strips(side)
    columns = []
    of_several = len({run.sweep for run in runs}) > 1
    for run, apart, views in zip(shown, differences(shown), of_columns, strict=True):
        at = len(views) // 2
        made = seen[run.run_id].find("colorized", views[at])
        assert made is not None, "a view has pictures"
        columns.append(
            ImageColumn(
                run=run,
                step=seen[run.run_id].step,
                cells=[data_uri(picture, side) for picture in made],
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
                note=_note(run, of_several, apart),
            )
        )
    return ImageTable(
        grey=[data_uri(picture, side) for picture in grey],
        original=[data_uri(picture, side) for picture in original],
        columns=columns,
        strips=strips.uris,
    )


def _with_pictures(run: TrialRun, seen: dict[str, Seen]) -> list[TrialRun]:
    views = at_targets(run)
    return [v for v in views if seen[run.run_id].find("colorized", v) is not None]


def _note(run: TrialRun, several: bool, apart: str) -> str:
    phase = "" if run.phase is TrialPhase.FINISHED else run.phase
    any_target = "any target" if run.config.any_controls else ""
    parts = (run.sweep if several else "", any_target, apart, phase)
    return ", ".join(part for part in parts if part)
