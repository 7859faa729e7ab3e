"""One picture of a sweep: each trial's colorizations of the same held-out images."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan import samples
from reports.pictures import newest
from reports.runs import TrialRun

ROOM = 12
"""Pixels on either side of the names."""
LETTERS = 17
"""Height of the names' font in pixels."""


def overview(
    shown: Sequence[tuple[str, TrialRun]], grids: Mapping[str, Mapping[int, bytes]]
) -> bytes:
    """Draw the grayscale images, the originals, and each trial's, with names at the left, as a PNG.

    Args:
        shown: trials over the same held-out images, one or more, by their labels.
        grids: their sample grids (PNG) by run id and step.
    """
    size = shown[0][1].config.image_size
    last = [newest(grids[run.run_id]) for _, run in shown]
    pictures = [samples.cells(png, size) for png in last]
    names = [*samples.ROWS[:2], *(label.replace(", ", "\n") for label, _ in shown)]
    lines = [pictures[0][0], pictures[0][1], *(made[2] for made in pictures)]
    grid = Image.open(io.BytesIO(samples.draw(np.stack(lines))))
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
