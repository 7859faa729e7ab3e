"""The report on sweeps: a page that opens from disk, its Markdown version, and data files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gan.evaluation import samples
from gan.plain_text import printable
from reports import compare, folds, judgements, names, row_tables, tables, verdict, words
from reports.experiments import require_own
from reports.grids import last_of, newest
from reports.image_table import ImageColumn, ImageTable, image_tables
from reports.overview import MOST_TARGETS, lines_of, overview
from reports.owner import Owner
from reports.phase import TrialPhase
from reports.plots import plots_of, slug
from reports.read import Read, read_report
from reports.report_files import write_files
from reports.row_files import to_csv, to_json
from reports.rows import Row, anchor, rows
from reports.runs import TrialRun
from reports.store import last_launch, opened, read_sweep
from reports.tracking import log_report
from reports.views import at_targets

TEMPLATES = Path(__file__).parent / "templates"
ROWS: dict[samples.Kind, str] = {
    "grayscale": "grayscale",
    "original": "original",
    "fitted": "original moved to the target",
    "colorized": "colorized",
    "exact": "after exact control",
}
"""Names for the reader of the rows of a sample grid."""


@dataclass(frozen=True)
class Section:
    """A section of the Markdown: a trial at a target."""

    heading: Markup
    run: TrialRun
    file: str
    picture: bytes
    """PNG with the rows of its sample grid."""
    step: int
    rows: str
    """Names of the rows, from the top."""


def write_report(
    uri: str,
    sweeps: Sequence[str],
    out: Path,
    owner: Owner | None = None,
    *,
    left_out: bool = False,
    log: bool = False,
    small: bool = False,
    reload: int = 0,
) -> Path:
    """Write ``index.html``, ``README.md``, ``rows.csv``, ``rows.json`` and pictures.

    Args:
        uri: URI of the tracking store, the only source.
        sweeps: names of the sweeps to compare.
        out: directory to write to; created if it does not exist.
        owner: owner whose sweeps are read, where the store has several of one name.
        left_out: whether to include trials that the sweep's file no longer has.
        log: whether to store the report in the tracking store, too.
        small: whether to compress the page's pictures more, for a page of about 2 MB at most.
        reload: seconds after which an open page reads its file again; 0 for never.

    Returns:
        Path of the page.

    Raises:
        UserError: there is no such sweep, it has no trials, ``out`` cannot be written or has such
            files that no report wrote, or the report is to be stored with another owner's sweep.
    """
    with opened(uri, owner) as client:
        if log:
            for sweep in sweeps:
                require_own(client, sweep)
        read = read_report(client, sweeps, left_out=left_out)
    files = _render(read, small=small, reload=reload)
    write_files(out, files)
    if log:
        with opened(uri, owner) as client:
            for sweep in sweeps:
                log_report(client, sweep, files)
    return out / "index.html"


def is_running(uri: str, sweeps: Sequence[str], owner: Owner | None = None) -> bool | None:
    """Whether a trial of one of the sweeps runs, as far as the tracking store knows.

    Returns:
        None if none does, and some are waiting or not in the store yet.

    Raises:
        UserError: there is no such sweep.
    """
    with opened(uri, owner) as client:
        runs = [run for sweep in sweeps for run in read_sweep(client, sweep)]
        launched = sum(last_launch(client, sweep).trials for sweep in sweeps)
    if any(run.phase.is_active for run in runs):
        return True
    begun = [run for run in runs if run.phase is not TrialPhase.WAITING]
    return None if len(begun) < launched else False


def _render(read: Read, *, small: bool, reload: int) -> dict[str, bytes]:
    """Return the contents of every file of the report, by name."""
    table = rows(read.views, read.best)
    pictured = image_tables(
        read.shown, [*read.runs, *read.views], read.grids, read.seed, small=small
    )
    plots = plots_of(read, table)
    sections = _sections(read)
    several = len(read.sweeps) > 1
    overviews = {
        "overview.png" if i == 0 else f"overview-{i + 1}.png": overview(
            lines_of(image_table, read, several=several)
        )
        for i, image_table in enumerate(pictured)
    }
    pictures = {f"{plot.name}.png": plot.png for group in plots.values() for plot in group}
    pictures |= {section.file: section.picture for section in sections}
    context = _context(read, table, pictured)
    context |= {"plots": plots, "sections": sections, "overviews": list(overviews)}
    context["reload"] = reload
    texts = {
        "index.html": _fill("index.html.j2", context),
        "README.md": _fill("README.md.j2", context),
        "rows.csv": to_csv(table),
        "rows.json": to_json(table),
    }
    return {name: text.encode() for name, text in texts.items()} | {
        f"images/{name}": picture for name, picture in (pictures | overviews).items()
    }


def _context(read: Read, table: Sequence[Row], pictured: Sequence[ImageTable]) -> dict[str, Any]:
    """Return the values that the templates use."""
    commands = {row.anchor: row.command for row in table}
    made = words.made(read)
    judged = verdict.verdict(read.views)

    def place(run: TrialRun) -> str:
        return anchor(run.sweep, run.key)

    again = [commands[place(run)] for run in read.runs] if len(read.runs) <= 50 else []
    return {
        "read": read,
        "rows": table,
        "image_tables": pictured,
        "tables": tables,
        "row_tables": row_tables,
        "verdict": judged,
        "judged": judgements.table(judged.methods),
        "naturalness": words.naturalness(table),
        "labelled": [(read.label(run), run) for run in read.shown],
        "choice": words.choice(read),
        "seed": words.seed(read),
        "settings": words.shared_settings(read.runs),
        "other_pictures": words.other_pictures(read),
        "counts": words.counts(read),
        "unfinished": [run for run in read.runs if run.phase is not TrialPhase.FINISHED],
        "missing": words.missing(read),
        "best": read.best,
        "rule": compare.BEST,
        "folded": folds.over_seeds(read.views),
        "grids": folds.grids(read.views),
        "made": made,
        "data": json.dumps(
            [_data(image_table, read.best) for image_table in pictured], allow_nan=False
        ).replace("<", "\\u003c"),
        "anchor": place,
        "command": lambda run: commands[place(run)],
        "fenced": words.fenced([*made["commands"], *again]),
        "several": len(read.sweeps) > 1,
        "difference": names.difference(
            {s: [run.config for run in read.runs if run.sweep == s] for s in read.sweeps}
        ),
    }


def _fill(template: str, context: Mapping[str, Any]) -> str:
    """Fill a template; all values but ``Markup`` are escaped, for HTML or for Markdown."""
    escape = words.plain_in_markdown if template.endswith("md.j2") else printable

    def finalize(value: object) -> object:
        if isinstance(value, Markup):
            return value
        text = escape(str(value))
        return Markup(text) if template.endswith("md.j2") else text

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["printable"] = printable
    return environment.get_template(template).render(context)


def _data(image_table: ImageTable, best: Sequence[TrialRun]) -> dict[str, Any]:
    """Return the data of an image table that the page's script needs beside the HTML."""
    return {
        "kinds": image_table.ways,
        "beside": image_table.beside,
        "strips": image_table.strips,
        "columns": [
            {
                "anchor": anchor(column.run.sweep, column.run.key),
                "step": column.step,
                "at": column.at,
                "shots": _shots(column, best),
            }
            for column in image_table.columns
        ],
    }


def _shots(column: ImageColumn, best: Sequence[TrialRun]) -> list[dict[str, Any]]:
    return [
        {
            "label": column.label(shot),
            "sentence": column.sentence(shot),
            "aims": [asdict(aim) for aim in shot.aims],
            "mae": shot.mae,
            "numbers": [[asdict(n) for n in numbers] for numbers in shot.numbers],
            "stages": [asdict(stage) for stage in shot.stages],
            "strips": shot.strips,
            "best": shot.run in best,
        }
        for shot in column.shots
    ]


def _sections(read: Read) -> list[Section]:
    """Make a section per trial with a sample grid; several per any-target trial."""
    every = [
        view
        for run in read.runs
        if read.grids.get(run.run_id)
        for view in compare.evenly(at_targets(run), MOST_TARGETS)
    ]
    found = []
    for i, (view, apart) in enumerate(zip(every, compare.differences(every), strict=True)):
        step, picture, kinds = _picture(read, view)
        heading = words.heading(view, apart)
        file = f"{i:02}-{slug(view.name)}.png"
        found.append(Section(heading, view, file, picture, step, " / ".join(kinds)))
    return found


def _picture(read: Read, view: TrialRun) -> tuple[int, bytes, list[str]]:
    """Draw a view's rows of its last sample grid; return their step, PNG and names."""
    of_steps = read.grids[view.run_id]
    seen = last_of(view, read.grids)
    if seen is None:
        return max(of_steps), newest(of_steps), []
    there = [(name, seen.find(kind, view)) for kind, name in ROWS.items()]
    lines = [(name, pictures) for name, pictures in there if pictures is not None]
    all_of_it = view.whole is None
    drawn = newest(of_steps) if all_of_it else samples.draw(np.stack([line for _, line in lines]))
    return seen.step, drawn, [name for name, _ in lines]
