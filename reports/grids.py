"""Sample grids as a report reads them, tolerating those of other versions."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan.evaluation import samples
from reports.runs import TrialRun
from reports.views import label

Pixels = NDArray[np.uint8]
Grids = Mapping[str, Mapping[int, bytes]]
"""Sample grids (PNG) by run id and step."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The last sample grid of a trial."""

    step: int
    grid: samples.SampleGrid

    def find(self, kind: samples.Kind, run: TrialRun) -> Pixels | None:
        """Return a row of pictures (n, H, W, 3) of a trial or view; None if there is none."""
        return self.grid.find(kind, "" if kind in ("grayscale", "original") else label(run))


def is_picture(png: bytes) -> bool:
    """Whether a sample grid can be shown, of whatever version it is."""
    try:
        with Image.open(io.BytesIO(png)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True


def newest(of_steps: Mapping[int, bytes]) -> bytes:
    """Return the sample grid of the last step."""
    return of_steps[max(of_steps)]


@lru_cache(maxsize=16)
def read(png: bytes, size: int) -> samples.SampleGrid | None:
    """Parse a sample grid; None if it is truncated or in the format of another version."""
    try:
        return samples.read(png, size)
    except (OSError, KeyError, TypeError, ValueError):
        return None


def last_of(run: TrialRun, grids: Grids) -> Seen | None:
    """Read the last sample grid of a trial; None if there is no readable one."""
    of_steps = grids.get(run.run_id)
    if not of_steps:
        return None
    grid = read(newest(of_steps), run.config.image_size)
    if grid is None or grid.find("original") is None:
        return None
    return Seen(max(of_steps), grid)
