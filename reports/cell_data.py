"""Shots: a trial's colorizations of a report's pictures at one target, with numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gan.control import ControlName
from reports.compare import recoloured_beside
from reports.grids import Grids, Pixels, Seen, read
from reports.pictures import EXACT_STRIP, STAGE_SIDE, Encoding, Strips, mae_of
from reports.rows import Way, metric
from reports.rows import shown as shown_value
from reports.runs import TrialRun
from reports.views import in_words, label, numbers, short

Kind = Literal["colorized", "exact", "recoloured", "fitted"]
KINDS: dict[Kind, str] = {
    "colorized": "raw output",
    "exact": "after exact control",
    "recoloured": "recoloured baseline",
    "fitted": "fitted original",
}
"""Kinds of pictures of a shot, with their names for the reader."""
WAYS: tuple[Kind, ...] = ("colorized", "exact")
"""Kinds that are a trial's own: the cells of an image table show one of them."""
BESIDE: tuple[Kind, ...] = ("recoloured", "fitted")
"""Kinds to compare a trial's own with: the rival, and what was possible."""


@dataclass(frozen=True)
class Stage:
    """All pictures as a trial colorized them at a step of its training."""

    step: int
    strip: str
    """Data URI: the pictures side by side."""


@dataclass(frozen=True)
class Number:
    """Formatted values of a statistic for one picture."""

    control: ControlName
    wanted: str
    achieved: str
    exact: str
    """Value after exact control; empty if there is none."""
    reachable: str
    original: str


@dataclass(frozen=True)
class Aim:
    """A control of a trial at a target, with formatted values."""

    control: ControlName
    target: float
    wanted: str
    got: dict[Kind, str]
    """Mean over the held-out images, for each kind of outputs that was measured."""


@dataclass(frozen=True)
class Shot:
    """Colorizations of all pictures by one trial at one target, with numbers."""

    run: TrialRun
    aims: list[Aim]
    label: str
    """Targets in few words."""
    mae: list[float]
    """Mean absolute difference of each picture from the original's RGB, in [0, 1]."""
    numbers: list[list[Number]]
    """Numbers of each picture, one per control."""
    stages: list[Stage]
    strips: dict[Kind, int | None]
    """Index of each kind of pictures in the table's strips; None if they are its cells."""
    cells: dict[Kind, list[str]]
    """Data URI of each picture of the kinds that are cells of the image table."""

    @property
    def sentence(self) -> str:
        """Wanted and achieved values in words."""
        parts = []
        for aim in self.aims:
            got, exact = aim.got.get("colorized"), aim.got.get("exact")
            parts.append(
                f"{aim.control}: wanted {aim.wanted}"
                + (f", achieved {got}" if got else "")
                + (f", {exact} after exact control" if exact else "")
            )
        return "; ".join(parts) or "without control"


def shot_of(
    view: TrialRun,
    *,
    in_cells: bool,
    original: Pixels,
    runs: Sequence[TrialRun],
    seen: dict[str, Seen],
    grids: Grids,
    strips: Strips,
) -> Shot:
    """Collect the pictures and numbers of one trial at one target.

    Args:
        view: the trial, or a view of an any-target trial.
        in_cells: whether its outputs, and those beside them, are the cells of the image table,
            stored one by one.
        original: the photographs, (n, H, W, 3).
        runs: all trials and views, to find the recoloured baseline of the same target.
        seen: last sample grid of each trial, by run id.
        grids: all sample grids of these trials.
        strips: collection to which all other pictures are added.
    """
    own = seen[view.run_id]
    made = own.find("colorized", view)
    assert made is not None, "a view has pictures"
    beside = recoloured_beside(view, [run for run in runs if run.run_id in seen])
    moved = None if beside is None else seen[beside.run_id].find("colorized", beside)
    every: dict[Kind, Pixels | None] = {
        "colorized": made,
        "exact": own.find("exact", view),
        "recoloured": moved,
        "fitted": own.find("fitted", view),
    }
    found = {kind: pictures for kind, pictures in every.items() if pictures is not None}
    in_cell = {kind for kind in found if in_cells and kind != "exact"}
    places = {k: None if k in in_cell else strips.add(pictures) for k, pictures in found.items()}
    return Shot(
        run=view,
        aims=_aims(view, beside),
        label=in_words(numbers(view)) or "without control",
        mae=mae_of(made, original),
        numbers=_numbers(view, own, len(made)),
        stages=_stages(view, grids, strips.encoding),
        strips=places,
        cells={kind: _cells(kind, found[kind], strips.encoding) for kind in in_cell},
    )


def _cells(kind: Kind, pictures: Pixels, encoding: Encoding) -> list[str]:
    exact_up_to = STAGE_SIDE if kind == "colorized" else EXACT_STRIP
    return [encoding.uri(picture, exact_up_to=exact_up_to) for picture in pictures]


def _stages(view: TrialRun, grids: Grids, encoding: Encoding) -> list[Stage]:
    size = view.config.image_size
    found = []
    for step, png in list(grids[view.run_id].items())[:-1]:
        grid = read(png, size)
        pictures = None if grid is None else grid.find("colorized", label(view))
        if pictures is not None:
            found.append(Stage(step, encoding.stage(pictures)))
    return found


def _aims(view: TrialRun, beside: TrialRun | None) -> list[Aim]:
    found = []
    for name, control in view.config.controls.items():
        sources: list[tuple[Kind, TrialRun | None, Way]] = [
            ("colorized", view, "raw"),
            ("exact", view, "exact"),
            ("recoloured", beside, "exact"),
        ]
        got: dict[Kind, str] = {
            kind: shown_value(name, value, 3)
            for kind, run, way in sources
            if run is not None and (value := metric(run, name, way)) is not None
        }
        found.append(Aim(name, control.wanted, short(control.wanted), got))
    return found


def _numbers(view: TrialRun, seen: Seen, count: int) -> list[list[Number]]:
    """Read the values of each picture, for each control."""
    raw = seen.grid.numbers("colorized", label(view))
    exact = seen.grid.numbers("exact", label(view))
    found: list[list[Number]] = [[] for _ in range(count)]
    for name, of in raw.items():
        moved = exact.get(name)
        for i, of_picture in enumerate(found):
            values = (of.achieved[i], of.reachable[i], of.original[i])
            achieved, reachable, original = (shown_value(name, v, 3) for v in values)
            wanted = shown_value(name, view.config.controls[name].wanted, 3)
            after = "" if moved is None else shown_value(name, moved.achieved[i], 3)
            of_picture.append(Number(name, wanted, achieved, after, reachable, original))
    return found
