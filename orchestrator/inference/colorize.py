"""What ``colorsweep colorize`` does: one picture file after the other."""

import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress

from gan.control import TARGETS, ControlName
from gan.errors import UserError
from gan.inference.colorizer import Colorizer, Outcome, outcomes
from orchestrator.inference.chosen import Chosen
from orchestrator.inference.image_files import PictureFile, read_picture, write_picture
from orchestrator.inference.jobs import Job
from reports.rows import shown


def colorize_files(
    chosen: Chosen, jobs: Sequence[Job], console: Console, *, raw: bool = False
) -> int:
    """Colour pictures, with a line for each, and progress for many in a terminal.

    Returns:
        How many could not be done; each is told in one line on stderr.

    Raises:
        UserError: the generator cannot be loaded, or needs a target that was not given.
    """
    colorizer = Colorizer.load(chosen.path)
    colorizer.targets(chosen.wanted)
    console.print(f"generator: {chosen.shown}")
    failed = 0
    hidden = len(jobs) < 2 or not console.is_terminal
    # Where both go to the terminal, an error's line is put above the progress.
    above = sys.stderr.isatty()
    with Progress(
        console=console, transient=True, disable=hidden, redirect_stderr=above
    ) as progress:
        for job in progress.track(jobs, description="colorize"):
            try:
                console.print(_colorize(colorizer, job, chosen.wanted, raw=raw))
            except UserError as error:
                failed += 1
                print(f"Error: {error}", file=sys.stderr)
    return failed


def _colorize(
    colorizer: Colorizer, job: Job, wanted: Mapping[ControlName, float], *, raw: bool
) -> str:
    """Colour one picture.

    Args:
        colorizer: the generator.
        job: the picture.
        wanted: targets that were asked for; the generator's own are told beside them.
        raw: whether the generator's colours are left as they are.

    Returns:
        The line on it.

    Raises:
        UserError: it cannot be read, or not be written.
    """
    start = time.perf_counter()
    picture = read_picture(job.picture)
    colours = colorizer(picture.samples, wanted, raw=raw)
    write_picture(job.output, PictureFile(colours, picture.format))
    height, width = colours.shape[:2]
    found = [
        _shown(name, outcome, "wanted" if name in wanted or not wanted else "its own target")
        for name, outcome in outcomes(colours, colorizer.targets(wanted)).items()
    ]
    seconds = f"{time.perf_counter() - start:.1f} s"
    return "  ".join([f"{job.picture} -> {job.output}", f"{width}x{height}", *found, seconds])


def _shown(name: ControlName, outcome: Outcome, whose: str) -> str:
    text = f"{name} {outcome.wanted:g} {whose}, "
    if outcome.achieved is None:
        return f"{text}none achieved: it is grey"
    low, high = TARGETS[name]
    digits = 3 if high - low < 10 else 1
    text += f"{shown(name, outcome.achieved, digits)} achieved"
    if abs(outcome.reachable - outcome.wanted) >= 0.5 * 10**-digits:
        text += f" ({outcome.reachable:.{digits}f} reachable)"
    return text
