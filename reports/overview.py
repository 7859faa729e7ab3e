"""One picture of a sweep: each trial's colorizations of the same held-out images."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan import samples
from reports.runs import TrialRun

MARGIN = 190
"""Pixels, for the names."""
LETTERS = 17
"""Height of the names' font in pixels."""


def overview(shown: Sequence[TrialRun], grids: Mapping[str, Mapping[int, bytes]]) -> bytes:
    """Draw the grayscale images, the originals, and each trial's, with names at the left, as a PNG.

    Args:
        shown: trials over the same held-out images, one or more.
        grids: their sample grids (PNG) by run id and step.
    """
    size = shown[0].config.image_size
    newest = [grids[run.run_id][max(grids[run.run_id])] for run in shown]
    pictures = [samples.cells(png, size) for png in newest]
    names = [*samples.ROWS[:2], *(run.name for run in shown)]
    lines = [pictures[0][0], pictures[0][1], *(made[2] for made in pictures)]
    grid = Image.open(io.BytesIO(samples.draw(np.stack(lines))))
    canvas = Image.new("RGB", (MARGIN + grid.width, grid.height), "white")
    canvas.paste(grid, (MARGIN, 0), mask=grid)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(LETTERS)
    for i, name in enumerate(names):
        place = (MARGIN - 10, (i + 0.5) * (grid.height + samples.GAP) / len(names))
        text = name.replace(", ", "\n")
        draw.multiline_text(place, text, "black", font, anchor="rm", align="right")
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG")
    return buffer.getvalue()
