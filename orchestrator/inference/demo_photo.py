"""Photograph of the demo page: coloured at screen size as sliders move, and in full to download."""

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image

from gan.control import TARGET_RANGES, ControlName
from gan.data.picture_file import PictureFile, Pixels
from gan.inference.colorizer import Colorizer
from gan.inference.outcomes import Outcome, outcomes
from gan.inference.prepared import Prepared
from orchestrator.inference.image_files import count_pictures, read_picture, write_picture
from orchestrator.store.paths import COLORIZED

SCREEN = 480
"""Longest side on the page, pixels; two are side by side, at 438 each on a screen of 1280."""
SCREEN_OF_SEVERAL = 440
"""The same where several statistics are moved, which takes longer."""
MOVED_OF_SEVERAL = 2**15
"""Number of pixels on which several are moved, which takes half of the time."""

Outcomes = Mapping[ControlName, Outcome]


class Photo:
    """Decoded photograph; what its colourings have in common is computed once."""

    def __init__(self, colorizer: Colorizer, file: Path) -> None:
        """Read a photograph.

        Raises:
            UserError: ``colorize`` would refuse it, too.
        """
        self.colorizer, self.file, self.picture = colorizer, file, read_picture(file)
        self.pictures = count_pictures(file)
        self.small = Prepared(_reduced(self.picture, SCREEN), quick=True)
        self.chosen: list[str] = []
        """Statistics that are moved beside the generator's own."""
        self._shown: Pixels | None = None

    @property
    def told(self) -> str:
        """Name, size and depth for people, and what of it is used."""
        height, width = self.picture.samples.shape[:2]
        depth = 8 * self.picture.samples.dtype.itemsize
        only = f", only the first of its {self.pictures} pictures" * (self.pictures > 1)
        new = "; coloured anew, from its lightness alone"
        return f"{self.file.name}: {width}x{height}, {depth} bits{only}{new}"

    @property
    def before(self) -> str:
        """The photograph at screen size, as a data URI."""
        return _uri(self.small.picture)

    def after(self, wanted: Mapping[ControlName, float]) -> tuple[str, Outcomes]:
        """Colour it at screen size; return a data URI, and the outcomes measured on it."""
        targets = self.colorizer.targets(wanted)
        small = self.small if len(targets) < 2 else self._smaller
        colours = self._shown = self.colorizer(small, wanted)
        return _uri(colours), outcomes(colours, targets)

    def measured(self, names: Sequence[str]) -> dict[str, float]:
        """Return the values of some statistics in the colouring that was shown last."""
        if self._shown is None:
            return {}
        found = outcomes(self._shown, {name: 0.0 for name in TARGET_RANGES if name in names})
        return {name: o.achieved for name, o in found.items() if o.achieved is not None}

    def write(self, wanted: Mapping[ControlName, float]) -> tuple[Path, Outcomes]:
        """Colour it in full size and depth, as ``colorize`` does; return the file.

        Raises:
            UserError: it cannot be written.
        """
        colours = self.colorizer(self._full, wanted)
        file = self._directory / f"{self.file.stem}{COLORIZED}{self.file.suffix}"
        write_picture(file, PictureFile(colours, self.picture.format))
        return file, outcomes(colours, self.colorizer.targets(wanted))

    @cached_property
    def _smaller(self) -> Prepared:
        picture = _reduced(self.picture, SCREEN_OF_SEVERAL)
        return Prepared(picture, quick=True, moved=MOVED_OF_SEVERAL)

    @cached_property
    def _directory(self) -> Path:
        return Path(mkdtemp())

    @cached_property
    def _full(self) -> Prepared:
        return Prepared(self.picture.samples)


def _reduced(picture: PictureFile, longest: int) -> Pixels:
    """Reduce a picture to 8 bits and a longest side, with alpha: the invisible is not measured."""
    samples = picture.samples
    image = Image.fromarray(samples if samples.dtype == np.uint8 else (samples >> 8).astype("u1"))
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _uri(samples: Pixels) -> str:
    """Encode a picture without loss, so that what was measured is what is shown."""
    buffer = io.BytesIO()
    grey = samples.shape[2] == 1
    Image.fromarray(samples[..., 0] if grey else samples).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def starts(colorizer: Colorizer, given: Mapping[ControlName, float]) -> dict[ControlName, float]:
    """Return where the sliders start, in the order of the statistics.

    These are the targets given, the generator's own, and for an input the middle of what it was
    trained for.
    """
    own = {
        name: sum(control.bounds(name)) / 2 if control.is_any else control.wanted
        for name, control in colorizer.config.controls.items()
    }
    found = {**own, **colorizer.assumed, **given}
    return {name: found[name] for name in TARGET_RANGES if name in found}
