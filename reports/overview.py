"""Overview picture of a sweep: rows of colorizations of the same held-out images."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan.evaluation import samples
from reports.compare import best_suited, evenly
from reports.grids import Grids, Pixels, last_of
from reports.image_table import ImageTable

ROOM = 12
"""Margin on either side of the names, in pixels."""
LETTERS = 17
"""Height of the names' font, in pixels."""
MOST_TARGETS = 6
"""Maximum number of targets shown for an any-target trial."""

Line = tuple[str, Pixels]
"""A name, and the pictures (n, H, W, 3) in its row."""


def lines_of(image_table: ImageTable, grids: Grids, *, several: bool) -> list[Line]:
    """Choose the rows of an overview: the photographs in grayscale and in colour, then trials.

    If the image table has any-target trials, show the trial without control and the best suited
    any-target trial at evenly chosen targets, after exact control if available; else all trials.

    Args:
        image_table: table with the trials.
        grids: sample grids of these trials.
        several: whether the report covers several sweeps.
    """
    best = best_suited([column.run for column in image_table.columns])
    free = [column for column in image_table.columns if not column.run.config.controls][:1]
    shown = (
        image_table.columns
        if best is None
        else free + [c for c in image_table.columns if c.run is best]
    )
    first = last_of(shown[0].run, grids)
    assert first is not None, "a trial on an image table has pictures"
    found = [(kind, first.grid.find(kind)) for kind in ("grayscale", "original")]
    lines: list[Line] = [(kind, pictures) for kind, pictures in found if pictures is not None]
    for column in shown:
        seen = last_of(column.run, grids)
        assert seen is not None, "a trial on an image table has pictures"
        of = f"{column.run.sweep}: " if several else ""
        for shot in evenly(column.shots, MOST_TARGETS):
            name, pictures = column.run.name, seen.find("colorized", shot.run)
            if best is not None:
                name = shot.label
            if column.run is best and (moved := seen.find("exact", shot.run)) is not None:
                name, pictures = f"{name}, exact", moved
            assert pictures is not None, "a shot has pictures"
            lines.append((of + name, pictures))
    return lines


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
