"""What ``colorsweep colorize`` does: one picture file after the other."""

import time
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.progress import Progress

from gan.colorize import Colorizer, Outcome, outcomes
from gan.config import TARGETS, ControlName
from gan.errors import UserError
from orchestrator.apply.jobs import Job
from orchestrator.apply.options import Chosen
from orchestrator.apply.pictures import PictureFile, read_picture, write_picture
from reports.rows import shown


def colorize_files(chosen: Chosen, jobs: Sequence[Job], console: Console) -> int:
    """Colour pictures, with a line for each, and progress for many in a terminal.

    Returns:
        How many could not be done; each is told in one line on stderr.

    Raises:
        UserError: the generator cannot be loaded.
    """
    colorizer = Colorizer.load(chosen.path)
    controls = colorizer.config.controls
    wanted = chosen.wanted or {name: control.target for name, control in controls.items()}
    console.print(f"generator: {chosen.shown}")
    failed = 0
    hidden = len(jobs) < 2 or not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as progress:
        for job in progress.track(jobs, description="colorize"):
            try:
                progress.console.print(_colorize(colorizer, job, wanted))
            except UserError as error:
                failed += 1
                click.echo(f"Error: {error}", err=True)
    return failed


def _colorize(colorizer: Colorizer, job: Job, wanted: Mapping[ControlName, float]) -> str:
    """Colour one picture.

    Returns:
        The line on it.

    Raises:
        UserError: it cannot be read, or not be written.
    """
    start = time.perf_counter()
    picture = read_picture(job.picture)
    colours = colorizer(picture.samples)
    write_picture(job.output, PictureFile(colours, picture.format))
    height, width = colours.shape[:2]
    found = [_shown(name, outcome) for name, outcome in outcomes(colours, wanted).items()]
    seconds = f"{time.perf_counter() - start:.1f} s"
    return "  ".join([f"{job.picture} -> {job.output}", f"{width}x{height}", *found, seconds])


def _shown(name: ControlName, outcome: Outcome) -> str:
    low, high = TARGETS[name]
    digits = 3 if high - low < 10 else 1
    text = f"{name} {outcome.wanted:g} wanted, {shown(name, outcome.achieved, digits)} achieved"
    if abs(outcome.reachable - outcome.wanted) >= 0.5 * 10**-digits:
        text += f" ({outcome.reachable:.{digits}f} reachable)"
    return text
