"""Colouring of picture files, one after another, for ``colorsweep colorize``."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from gan.colour.exact_control import Move
from gan.control import TARGET_RANGES, ControlName
from gan.data.picture_file import PictureFile
from gan.errors import UserError
from gan.inference.colorizer import Colorizer
from gan.inference.outcomes import Outcome, outcomes
from gan.inference.prepared import Prepared
from gan.inference.scene import Scene
from gan.plain_text import plain
from orchestrator.inference import strips
from orchestrator.inference.chosen import Chosen
from orchestrator.inference.image_files import (
    count_pictures,
    read_picture,
    write_content,
    write_picture,
)
from orchestrator.inference.jobs import Job
from orchestrator.inference.strips import Panel
from orchestrator.inference.written import Met, Written
from reports.rows import shown

MISSED = 0.01
"""Distance from a target, as a share of its range, that is told: other targets exclude it."""


def colorize_files(
    chosen: Sequence[Chosen],
    jobs: Sequence[Job],
    console: Console,
    *,
    raw: bool = False,
    same_for_all: bool = False,
    written: list[Written] | None = None,
) -> int:
    """Colour pictures and print a line for each file written; return how many pictures failed.

    A failure prints one line on stderr. In a terminal, several pictures get a progress bar.

    Args:
        chosen: generator and targets of each of a job's outputs.
        jobs: the pictures.
        console: for the lines.
        raw: whether to leave the generators' colours unchanged.
        same_for_all: whether all pictures are moved alike (``Scene``).
        written: list to which a record of each file is added.

    Raises:
        UserError: a generator cannot be loaded, or needs a target that was not given.
    """
    loaded = {path: Colorizer.load(path) for path in dict.fromkeys(each.path for each in chosen)}
    works = [_Work(loaded[each.path], each.wanted, each.shown) for each in chosen]
    for line in dict.fromkeys(each.shown for each in chosen):
        console.print(f"generator: {line}")
    failed = 0
    hidden = len(jobs) < 2 or not console.is_terminal
    # If stderr is a terminal too, errors are printed above the progress bar.
    above = sys.stderr.isatty()
    with Progress(
        console=console, transient=True, disable=hidden, redirect_stderr=above
    ) as progress:
        if same_for_all:
            _find_moves(works, progress.track(jobs, description="look"), len(jobs))
        for job in progress.track(jobs, description="colorize"):
            try:
                for line, record in _colorize(works, job, raw=raw):
                    console.print(line)
                    if written is not None:
                        written.append(record)
            except (UserError, MemoryError) as error:
                failed += 1
                no_room = f"{job.picture}: does not fit in memory"
                reason = no_room if isinstance(error, MemoryError) else str(error)
                print(f"Error: {plain(reason)}", file=sys.stderr)
    return failed


class _Work:
    """Generator, targets, and the move that all pictures have in common, if they have one."""

    def __init__(
        self, colorizer: Colorizer, wanted: Mapping[ControlName, float], shown: str
    ) -> None:
        self.colorizer, self.wanted, self.shown = colorizer, wanted, shown
        self.targets = colorizer.targets(wanted)
        self.move: Move | None = None


def _find_moves(works: Sequence[_Work], jobs: Iterable[Job], count: int) -> None:
    """Find the moves that all pictures have in common; those that fail are told of later."""
    scenes = [Scene(work.colorizer, work.wanted, count) for work in works]
    for job in jobs:
        with suppress(UserError, MemoryError):
            picture = Prepared(read_picture(job.picture).samples)
            for scene in scenes:
                scene.add(picture)
    for work, scene in zip(works, scenes, strict=True):
        if scene.samples and work.targets:
            work.move = scene.move()


def _colorize(works: Sequence[_Work], job: Job, *, raw: bool) -> Iterator[tuple[str, Written]]:
    """Colour one picture (``raw``: without exact control); yield a line and a record of each file.

    Raises:
        UserError: the picture cannot be read or written.
    """
    start = time.perf_counter()
    picture = read_picture(job.picture)
    # ``read_picture`` refuses several in a file of another format.
    pictures = count_pictures(job.picture) if picture.format == "jpeg" else 1
    if pictures > 1 and job.picture.resolve() in (file.resolve() for file in job.files):
        raise UserError(
            f"{job.picture}: holds {pictures} pictures, of which --in-place would keep one"
        )
    only = [f"only the first of its {pictures} pictures"] * (pictures > 1)

    def made_of(
        file: Path, kind: str, *parts: str, by: str, found: Mapping[ControlName, Outcome] = {}
    ) -> tuple[str, Written]:
        nonlocal start
        seconds, start = time.perf_counter() - start, time.perf_counter()
        line = "  ".join([f"{job.picture} -> {file}", *parts, f"{seconds:.1f} s"])
        met = {name: Met(o.wanted, o.achieved, o.reachable) for name, o in found.items()}
        return line, Written(job.picture, file, kind, by, round(seconds, 3), met)

    by = ", ".join(dict.fromkeys(work.shown for work in works))
    prepared = Prepared(picture.samples)
    panels = []
    longest = strips.FRAME if job.animation else strips.PANEL  # a hundred may wait in memory
    for work, output in zip(works, job.outputs, strict=True):
        colours = work.colorizer(prepared, work.wanted, raw=raw, move=work.move)
        made = PictureFile(colours, picture.format)
        write_picture(output, made)
        found = outcomes(colours, work.targets)
        height, width = colours.shape[:2]
        given = work.wanted or work.targets
        told = [
            _shown(
                name,
                outcome,
                "wanted" if name in given else "its own target",
                alone=raw or len(found) == 1,
            )
            for name, outcome in found.items()
        ]
        size = f"{width}x{height}"
        yield made_of(output, "picture", size, *only, *told, by=work.shown, found=found)
        if job.strip or job.animation:
            label = _label(found, _varied(works) or [*found])
            panels.append(Panel(label, strips.small(made, longest)))
    if job.strip:
        original = strips.small(picture, longest)
        write_content(job.strip, strips.strip(original, panels, _columns(works)))
        yield made_of(job.strip, "strip", by=by)
    if job.animation:
        write_content(job.animation, strips.animation(panels))
        yield made_of(job.animation, "animation", by=by)


def _varied(works: Sequence[_Work]) -> list[ControlName]:
    """Return the given statistics whose targets vary."""
    each = [work.wanted for work in works]
    return [name for name in each[0] if len({wanted[name] for wanted in each}) > 1]


def _columns(works: Sequence[_Work]) -> int:
    """Return the number of values of the last statistic if several vary, else 0."""
    varied = _varied(works)
    return len({work.wanted[varied[-1]] for work in works}) if len(varied) > 1 else 0


def _label(found: Mapping[ControlName, Outcome], names: Sequence[ControlName]) -> str:
    """Name targets, and what was achieved where that differs visibly."""
    parts = []
    for name in names:
        outcome = found[name]
        low, high = TARGET_RANGES[name]
        parts.append(f"{name} {outcome.wanted:.3g}")
        reached = outcome.achieved
        if reached is not None and abs(outcome.missed) + abs(outcome.reachable - outcome.wanted) > (
            0.01 * (high - low)
        ):
            parts[-1] += f" ({reached:.3g} reached)"
    return ", ".join(parts) or "colorized"


def _shown(name: ControlName, outcome: Outcome, whose: str, *, alone: bool) -> str:
    text = f"{name} {outcome.wanted:g} {whose}, "
    if outcome.achieved is None:
        return f"{text}none achieved: it is grey"
    low, high = TARGET_RANGES[name]
    digits = 3 if high - low < 10 else 1
    text += f"{shown(name, outcome.achieved, digits)} achieved"
    if abs(outcome.reachable - outcome.wanted) >= 0.5 * 10**-digits:
        text += f" ({outcome.reachable:.{digits}f} reachable)"
    if not alone and abs(outcome.missed) > MISSED * (high - low):
        text += " (missed beside the others)"
    return text
