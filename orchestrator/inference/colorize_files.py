"""Colouring of picture files, one after another, for ``colorsweep colorize``."""

import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress

from gan.control import TARGET_RANGES, ControlName
from gan.data.picture_file import PictureFile
from gan.errors import UserError
from gan.inference.colorizer import Colorizer, Outcome, outcomes
from gan.plain_text import plain
from orchestrator.inference.chosen import Chosen
from orchestrator.inference.image_files import count_pictures, read_picture, write_picture
from orchestrator.inference.jobs import Job
from reports.rows import shown


def colorize_files(
    chosen: Chosen, jobs: Sequence[Job], console: Console, *, raw: bool = False
) -> int:
    """Colour pictures and print a line for each; return how many failed.

    A failure prints one line on stderr. In a terminal, several pictures get a progress bar.

    Raises:
        UserError: the generator cannot be loaded, or needs a target that was not given.
    """
    colorizer = Colorizer.load(chosen.path)
    colorizer.targets(chosen.wanted)
    console.print(f"generator: {chosen.shown}")
    failed = 0
    hidden = len(jobs) < 2 or not console.is_terminal
    # If stderr is a terminal too, errors are printed above the progress bar.
    above = sys.stderr.isatty()
    with Progress(
        console=console, transient=True, disable=hidden, redirect_stderr=above
    ) as progress:
        for job in progress.track(jobs, description="colorize"):
            try:
                console.print(_colorize(colorizer, job, chosen.wanted, raw=raw))
            except (UserError, MemoryError) as error:
                failed += 1
                no_room = f"{job.picture}: does not fit in memory"
                reason = no_room if isinstance(error, MemoryError) else str(error)
                print(f"Error: {plain(reason)}", file=sys.stderr)
    return failed


def _colorize(
    colorizer: Colorizer, job: Job, wanted: Mapping[ControlName, float], *, raw: bool
) -> str:
    """Colour one picture (``raw``: without exact control) and return a line about it.

    Raises:
        UserError: the picture cannot be read or written.
    """
    start = time.perf_counter()
    picture = read_picture(job.picture)
    # ``read_picture`` refuses several in a file of another format.
    pictures = count_pictures(job.picture) if picture.format == "jpeg" else 1
    if pictures > 1 and job.output.resolve() == job.picture.resolve():
        raise UserError(
            f"{job.picture}: holds {pictures} pictures, of which --in-place would keep one"
        )
    colours = colorizer(picture.samples, wanted, raw=raw)
    write_picture(job.output, PictureFile(colours, picture.format))
    height, width = colours.shape[:2]
    found = [
        _shown(name, outcome, "wanted" if name in wanted or not wanted else "its own target")
        for name, outcome in outcomes(colours, colorizer.targets(wanted)).items()
    ]
    seconds = f"{time.perf_counter() - start:.1f} s"
    only = [f"only the first of its {pictures} pictures"] * (pictures > 1)
    size = f"{width}x{height}"
    return "  ".join([f"{job.picture} -> {job.output}", size, *only, *found, seconds])


def _shown(name: ControlName, outcome: Outcome, whose: str) -> str:
    text = f"{name} {outcome.wanted:g} {whose}, "
    if outcome.achieved is None:
        return f"{text}none achieved: it is grey"
    low, high = TARGET_RANGES[name]
    digits = 3 if high - low < 10 else 1
    text += f"{shown(name, outcome.achieved, digits)} achieved"
    if abs(outcome.reachable - outcome.wanted) >= 0.5 * 10**-digits:
        text += f" ({outcome.reachable:.{digits}f} reachable)"
    return text
