"""Overview picture of a sweep: rows of colorizations of the same held-out images."""

import io
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan.evaluation import samples
from reports.compare import best_suited, evenly, recoloured_beside, targets_of
from reports.grids import Pixels, last_of
from reports.image_table import ImageTable
from reports.read import Read
from reports.runs import TrialRun

ROOM = 12
"""Margin on either side of the names, in pixels."""
LETTERS = 17
"""Height of the names' font, in pixels."""
MOST_TARGETS = 6
"""Maximum number of targets shown for an any-target trial."""

Line = tuple[str, Pixels]
"""A name, and the pictures (n, H, W, 3) in its row."""


def lines_of(image_table: ImageTable, read: Read, *, several: bool) -> list[Line]:
    """Choose the rows of an overview: the photographs in grayscale and in colour, then trials.

    If the image table has any-target trials, show the trial without control and the best suited
    any-target trial at evenly chosen targets, after exact control if available; else all trials.
    Below the trials of a target are their rival, and the fitted originals.

    Args:
        image_table: table with the trials.
        read: data of the report, with the sample grids of these trials.
        several: whether the report covers several sweeps.
    """
    best = best_suited([column.run for column in image_table.columns])
    free = [column for column in image_table.columns if not column.run.config.controls][:1]
    shown = (
        image_table.columns
        if best is None
        else free + [c for c in image_table.columns if c.run is best]
    )
    first = last_of(shown[0].run, read.grids)
    assert first is not None, "a trial on an image table has pictures"
    found = [(kind, first.grid.find(kind)) for kind in ("grayscale", "original")]
    lines: list[Line] = [(kind, pictures) for kind, pictures in found if pictures is not None]
    shots = [(column, shot) for column in shown for shot in evenly(column.shots, MOST_TARGETS)]
    for _, group in groupby(shots, key=lambda shot: targets_of(shot[1].run)):
        these = list(group)
        for column, shot in these:
            seen = last_of(column.run, read.grids)
            assert seen is not None, "a trial on an image table has pictures"
            name, pictures = column.run.name, seen.find("colorized", shot.run)
            if best is not None:
                name = shot.label
            if column.run is best and (moved := seen.find("exact", shot.run)) is not None:
                name, pictures = f"{name}, exact", moved
            assert pictures is not None, "a shot has pictures"
            lines.append((_full(name, column.run, read, several=several), pictures))
        lines += _beside([shot.run for _, shot in these], read, several=several)
    return lines


def _full(name: str, run: TrialRun, read: Read, *, several: bool) -> str:
    """Complete the name of a trial with its sweep and its seed, if there are several."""
    of = f"{run.sweep}: " if several else ""
    seed = "" if read.seed is None or "seed" in name else f", seed {run.config.seed}"
    return f"{of}{name}{seed}"


def _beside(views: Sequence[TrialRun], read: Read, *, several: bool) -> list[Line]:
    """Return the rivals of trials with the same targets, and the fitted originals, once each."""
    rivals: dict[bytes, tuple[TrialRun, Pixels]] = {}
    fitted: dict[bytes, Pixels] = {}
    for view in views:
        own, rival = last_of(view, read.grids), recoloured_beside(view, read.views)
        if own is not None and (pictures := own.find("fitted", view)) is not None:
            fitted[pictures.tobytes()] = pictures
        seen = None if rival is None else last_of(rival, read.grids)
        if rival is None or seen is None:
            continue
        if (pictures := seen.find("colorized", rival)) is not None:
            rivals.setdefault(pictures.tobytes(), (rival, pictures))
    lines = []
    for rival, pictures in rivals.values():
        name = rival.name if len(rivals) > 1 else "recoloured baseline"
        lines.append((_full(name, rival, read, several=several), pictures))
    return lines + [("original moved", pictures) for pictures in fitted.values()]


def overview(lines: Sequence[Line]) -> bytes:
    """Draw rows of pictures with their names on the left, as a PNG."""
    grid = Image.open(io.BytesIO(samples.draw(np.stack([pictures for _, pictures in lines]))))
    names = [name.replace(", ", "\n") for name, _ in lines]
    font = ImageFont.load_default(LETTERS)
    margin = 2 * ROOM + round(max(font.getlength(line) for n in names for line in n.split("\n")))
    canvas = Image.new("RGB", (margin + grid.width, grid.height), "white")
    canvas.paste(grid, (margin, 0), mask=grid)
    draw = ImageDraw.Draw(canvas)
    for i, name in enumerate(names):
        place = (margin - ROOM, (i + 0.5) * (grid.height + samples.GAP) / len(names))
        draw.multiline_text(place, name, "black", font, anchor="rm", align="right")
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    return buffer.getvalue()
