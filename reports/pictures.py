"""The held-out images of a report: each as it was and as each trial colours it, with numbers."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan import samples
from gan.control import ControlName
from reports.compare import pictures_of, recoloured_beside, told_apart
from reports.rows import shown as shown_value
from reports.runs import TrialRun

STAGES = 6
"""Sample grids of a trial that show the way there, at most."""
STAGE_SIDE = 64
PAGE_BYTES = 6_000_000
"""What the pictures of a page may take, about, before they are encoded as text."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Stage:
    """All pictures as a trial coloured them at a step of its training."""

    step: int
    strip: str
    """Data URI: the pictures side by side."""


@dataclass(frozen=True)
class Number:
    """A statistic of one picture, as it is shown."""

    control: ControlName
    wanted: str
    achieved: str
    original: str
    reachable: str


@dataclass(frozen=True)
class Column:
    """What one trial makes of the pictures."""

    run: TrialRun
    step: int
    """Of the pictures; a trial under way is further."""
    cells: list[str]
    """Data URI of each picture."""
    mae: list[float]
    """Of each picture: mean absolute difference from the original's RGB, in [0, 1]."""
    numbers: list[list[Number]]
    """Of each picture, for each control."""
    stages: list[Stage]
    recoloured: str
    """Data URI: the baseline's pictures recoloured to the same targets, side by side; or empty."""
    note: str
    """Its sweep where there are several, what tells it from others of the same targets, and its
    state if it is not finished."""

    @property
    def aims(self) -> list[tuple[ControlName, float, str]]:
        """Control, wanted and achieved."""
        achieved = {n: self.run.metrics.get(f"eval/{n}") for n in self.run.config.controls}
        return [
            (n, c.target, "" if (got := achieved[n]) is None else shown_value(n, got, 3))
            for n, c in self.run.config.controls.items()
        ]

    @property
    def label(self) -> str:
        """Name it in few words."""
        words = ", ".join(f"{name} {wanted:g}" for name, wanted, _ in self.aims)
        return (words or "without control") + (f" ({self.note})" if self.note else "")

    @property
    def sentence(self) -> str:
        """Say what was wanted and achieved."""
        parts = [
            f"{name}: wanted {wanted:g}" + (f", achieved {got}" if got else "")
            for name, wanted, got in self.aims
        ]
        return ("; ".join(parts) or "without control") + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Wall:
    """The same pictures as several trials colour them."""

    grey: list[str]
    """Data URI of each picture."""
    original: list[str]
    columns: list[Column]

    @property
    def sweeps(self) -> list[str]:
        """Name the sweeps that the columns are of."""
        return list(dict.fromkeys(column.run.sweep for column in self.columns))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Name each run of columns with the same controls, and count it."""
        names = [" + ".join(column.run.config.controls) or "no control" for column in self.columns]
        return [(name, len(list(these))) for name, these in groupby(names)]


def walls(
    shown: Sequence[TrialRun],
    runs: Sequence[TrialRun],
    grids: Mapping[str, Mapping[int, bytes]],
) -> list[Wall]:
    """Hang pictures: a wall for each set of held-out images.

    Args:
        shown: the trials to show, in order.
        runs: all trials.
        grids: sample grids (PNG) by run id and step, of those and of the recoloured ones.
    """
    groups: dict[object, list[TrialRun]] = {}
    for run in shown:
        if grids.get(run.run_id):
            groups.setdefault(pictures_of(run), []).append(run)
    return [_wall(these, runs, grids) for these in groups.values()]


def _wall(
    shown: list[TrialRun], runs: Sequence[TrialRun], grids: Mapping[str, Mapping[int, bytes]]
) -> Wall:
    size = shown[0].config.image_size
    grey, original, _ = samples.cells(newest(grids[shown[0].run_id]), size)
    side = _shown_side(size, pictures=2 * len(shown) * len(original))
    columns = []
    several = len({run.sweep for run in runs}) > 1
    apart = told_apart(shown)
    for run in shown:
        of_steps = grids[run.run_id]
        made = samples.cells(newest(of_steps), size)[2]
        beside = recoloured_beside(run, runs)
        moved = grids.get(beside.run_id) if beside else None
        columns.append(
            Column(
                run=run,
                step=max(of_steps),
                cells=[data_uri(picture, side) for picture in made],
                mae=[float(v) for v in _mae(made, original)],
                numbers=_numbers(run, newest(of_steps), len(made)),
                stages=[
                    Stage(step, _strip(samples.cells(png, size)[2], min(STAGE_SIDE, side)))
                    for step, png in list(of_steps.items())[:-1]
                ],
                recoloured=_strip(samples.cells(newest(moved), size)[2], side) if moved else "",
                note=_note(run, several, apart[run.run_id]),
            )
        )
    return Wall(
        grey=[data_uri(picture, side) for picture in grey],
        original=[data_uri(picture, side) for picture in original],
        columns=columns,
    )


def _note(run: TrialRun, several: bool, apart: str) -> str:
    state = "" if run.state == "finished" else run.state
    parts = (run.sweep if several else "", apart, state)
    return ", ".join(part for part in parts if part)


def newest(of_steps: Mapping[int, bytes]) -> bytes:
    """Return the sample grid of the last step."""
    return of_steps[max(of_steps)]


def _shown_side(size: int, pictures: int) -> int:
    """Side at which pictures are embedded: halved until the page is of a size to be sent."""
    # Half a byte a pixel is what WebP makes of photographs at quality 90, 2 bytes losslessly.
    while size > STAGE_SIDE and pictures * size**2 // 2 > PAGE_BYTES:
        size //= 2
    return size


def _mae(made: Pixels, original: Pixels) -> NDArray[np.float64]:
    difference = made.astype(np.float64) - original
    mean: NDArray[np.float64] = np.abs(difference).mean(axis=(1, 2, 3)) / 255
    return mean


def _numbers(run: TrialRun, png: bytes, count: int) -> list[list[Number]]:
    """Read what was measured of each picture, for each control."""
    of_control = [
        [
            Number(name, *(shown_value(name, value, 3) for value in (wanted, *values)))
            for values in zip(of.achieved, of.original, of.reachable, strict=True)
        ]
        for name, of in samples.numbers_of(png).items()
        for wanted in [run.config.controls[name].target]
    ]
    return [[numbers[i] for numbers in of_control] for i in range(count)]


def _strip(pictures: Pixels, side: int) -> str:
    count, height, width, _ = pictures.shape
    beside = pictures.transpose(1, 0, 2, 3).reshape(height, count * width, 3)
    return data_uri(beside, side)


def data_uri(pixels: Pixels, side: int) -> str:
    """Encode a picture (H, W, 3) of height ``side`` as WebP: exactly, unless it is large."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if side < image.height:
        image = image.resize((image.width * side // image.height, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    exact = side <= STAGE_SIDE
    # Lossless, method 4 takes 10 to 70 times as long, for 10 % less.
    image.save(buffer, "WEBP", lossless=exact, quality=90, method=0 if exact else 4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
