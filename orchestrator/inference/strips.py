"""Contact sheets and animations of one picture at several targets."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from gan.colour.conversion import LUMINANCE, linear, linear_rgb_to_rgb
from gan.data.picture_file import PictureFile, Pixels

PANEL = 400
"""Longer side of a picture on a contact sheet, pixels; labels are legible at half the size."""
LETTERS = 30
GAP = 16
IN_A_ROW = 8
"""Most panels of a row, unless two statistics vary."""
FRAME = 1280
"""Longest side of an animation, pixels."""
MILLISECONDS = 350
"""Time of each picture of an animation."""


@dataclass(frozen=True)
class Panel:
    """Small version of a picture, and its label."""

    label: str
    picture: Image.Image


def small(picture: PictureFile, longest: int) -> Image.Image:
    """Reduce a picture, in 8 bits, to a longest side; a smaller one keeps its size."""
    image = Image.fromarray(picture.rgb())
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image


def grey(image: Image.Image) -> Image.Image:
    """Remove the colours of a picture in RGB; its luminance stays."""
    light = linear(torch.from_numpy(np.asarray(image) / np.float32(255)))
    luminance = linear_rgb_to_rgb(light @ torch.tensor(LUMINANCE))
    values: Pixels = (luminance * 255).round().numpy().astype(np.uint8)
    return Image.fromarray(values).convert("RGB")


def strip(original: Image.Image, panels: Sequence[Panel], columns: int) -> bytes:
    """Draw a contact sheet as a PNG file: the grey original, and the panels beside it.

    Args:
        original: small version of the original.
        panels: of its colourings, in the order of reading.
        columns: number of panels in a row if the rows are a statistic's values; else 0.
    """
    first = Panel("grayscale", grey(original))
    if columns:
        rows = [list(panels[n : n + columns]) for n in range(0, len(panels), columns)]
        # The original has a column of its own.
        placed = [[first if not n else None, *row] for n, row in enumerate(rows)]
    else:
        every = [first, *panels]
        count = -(-len(every) // -(-len(every) // IN_A_ROW))
        placed = [[*every[n : n + count]] for n in range(0, len(every), count)]
    font = ImageFont.load_default(LETTERS)
    scale = PANEL / max(original.size)
    width, height = (max(1, round(side * scale)) for side in original.size)
    text = max(font.getlength(panel.label) for panel in (first, *panels))
    cell = max(width, round(text)) + GAP, height + LETTERS * 3 // 2 + GAP
    size = (len(placed[0]) * cell[0] + GAP, len(placed) * cell[1] + GAP // 2)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, several in enumerate(placed):
        for column, panel in enumerate(several):
            if panel is None:
                continue
            left, top = GAP + column * cell[0], GAP + row * cell[1]
            middle = left + (cell[0] - GAP) // 2
            image = panel.picture.resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(image, (middle - width // 2, top))
            at = (middle, top + height + LETTERS // 4)
            draw.text(at, panel.label, "black", font, anchor="ma")
    return _encoded(sheet, "PNG")


def animation(panels: Sequence[Panel]) -> bytes:
    """Make an endless WebP animation that goes through the pictures and back."""
    first, *others = (panel.picture for panel in (*panels, *panels[-2:0:-1]))
    options = {"save_all": True, "append_images": others, "loop": 0}
    return _encoded(first, "WEBP", duration=MILLISECONDS, quality=90, method=2, **options)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
