"""The held-out images of a report: each as it was and as each trial colours it, with numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reports.compare import evenly, told_apart
from reports.grids import Grids, Seen, last_of
from reports.phase import TrialPhase
from reports.pictures import Strips, data_uri, shown_side
from reports.runs import TrialRun
from reports.shots import KINDS, Kind, Shot, shot_of
from reports.views import at_targets

STAGES = 6
"""Sample grids of a trial that show the way there, at most."""
MOST_SHOTS = 48
"""Targets of all trials of any target together that a wall moves through, about."""


@dataclass(frozen=True)
class Column:
    """What one trial makes of the pictures: at its targets, or at each of several."""

    run: TrialRun
    step: int
    """Of the pictures; a trial under way is further."""
    cells: list[str]
    """Data URI of each picture, of the first shot shown."""
    shots: list[Shot]
    at: int
    """Which of them is shown first."""
    note: str
    """Its sweep where there are several, what tells it from others of the same targets, and its
    phase if it is not finished."""

    @property
    def first(self) -> Shot:
        """The shot that is shown first."""
        return self.shots[self.at]

    def label(self, shot: Shot) -> str:
        """Name it at a target in few words."""
        return shot.label + (f" ({self.note})" if self.note else "")

    def sentence(self, shot: Shot) -> str:
        """Say what was wanted and achieved at a target."""
        return shot.sentence + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Wall:
    """The same pictures as several trials colour them."""

    grey: list[str]
    """Data URI of each picture."""
    original: list[str]
    columns: list[Column]
    strips: list[str]
    """Data URIs: all pictures of a shot side by side."""

    @property
    def sweeps(self) -> list[str]:
        """Name the sweeps that the columns are of."""
        return list(dict.fromkeys(column.run.sweep for column in self.columns))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Name each run of columns with the same controls, and count it."""
        names = [" + ".join(column.run.config.controls) or "no control" for column in self.columns]
        return [(name, len(list(these))) for name, these in groupby(names)]

    @property
    def kinds(self) -> dict[Kind, str]:
        """Name the kinds of pictures that some column has."""
        there = {kind for c in self.columns for shot in c.shots for kind in shot.strips}
        return {kind: name for kind, name in KINDS.items() if kind in there}

    @property
    def stops(self) -> int:
        """Count what the slider moves through: the targets of all columns."""
        return sum(len(column.shots) for column in self.columns)


def walls(shown: Sequence[TrialRun], runs: Sequence[TrialRun], grids: Grids) -> list[Wall]:
    """Hang pictures: a wall for each set of held-out images.

    Args:
        shown: the trials to show, in order.
        runs: all trials, and the views of those of any target.
        grids: sample grids of those shown and of the recoloured ones.
    """
    groups: dict[str, list[TrialRun]] = {}
    of_runs = {run.run_id: run for run in runs}.values()  # a trial and its views are one
    seen = {run.run_id: found for run in of_runs if (found := last_of(run, grids)) is not None}
    for run in shown:
        if run.run_id in seen and _with_pictures(run, seen):
            groups.setdefault(run.pictures_key, []).append(run)
    return [_wall(these, runs, seen, grids) for these in groups.values()]


def _wall(
    shown: list[TrialRun], runs: Sequence[TrialRun], seen: dict[str, Seen], grids: Grids
) -> Wall:
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
    for run, apart, views in zip(shown, told_apart(shown), of_columns, strict=True):
        at = len(views) // 2
        made = seen[run.run_id].find("colorized", views[at])
        assert made is not None, "a view has pictures"
        columns.append(
            Column(
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
    return Wall(
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
