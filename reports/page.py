"""The report of sweeps: a page that opens from disk, its Markdown twin, and the rows."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gan.errors import UserError
from reports import compare, figures, tables
from reports.compare import control_error, in_order, recoloured_beside
from reports.drawing import Plot
from reports.figures import Cost
from reports.overview import overview
from reports.pictures import STAGES, Wall, newest, walls
from reports.rows import SYMBOLS, Row, anchor, rows, to_csv, to_json
from reports.runs import LEFT_OUT, State, TrialRun
from reports.store import Client, Launched, curve, last_launch, opened, read_sweep, samples
from reports.tracking import log_report

TEMPLATES = Path(__file__).parent / "templates"
MOST_SHOWN = 24
"""Trials whose pictures a report shows; the others are in its plots and tables."""
MOST_CURVES = 12
LOSSES = (
    ("loss/l1", "L1 term"),
    ("loss/adversarial", "adversarial term"),
    ("loss/discriminator", "discriminator's loss"),
)


@dataclass(frozen=True)
class Read:
    """What a report needs of the tracking store."""

    sweeps: Sequence[str]
    runs: list[TrialRun]
    shown: list[TrialRun]
    """Those whose pictures are shown."""
    best: list[TrialRun]
    """Of each target that several were steered to."""
    grids: dict[str, dict[int, bytes]]
    """Sample grids (PNG) by run id and step: of those, and of what was recoloured beside them."""
    curves: dict[str, dict[str, list[tuple[int, float]]]]
    """Points (step, value) by run id and metric."""
    launches: dict[str, Launched]
    """The last of each sweep."""

    def label(self, run: TrialRun) -> str:
        """Name a trial among those of all sweeps."""
        return f"{run.sweep}: {run.name}" if len(self.sweeps) > 1 else run.name


def write_report(
    uri: str, sweeps: Sequence[str], out: Path, *, left_out: bool = False, log: bool = False
) -> Path:
    """Write ``index.html``, ``README.md``, ``rows.csv``, ``rows.json`` and pictures.

    Args:
        uri: of the tracking store, the only source.
        sweeps: names of the sweeps to compare.
        out: directory, made if need be.
        left_out: whether to show trials too that the sweep's file no longer has.
        log: whether to keep it in the tracking store, too.

    Returns:
        The page.

    Raises:
        UserError: there is no such sweep, it has no trials, or ``out`` cannot be written.
    """
    with opened(uri) as client:
        read = _read(client, sweeps, left_out)
    files = _render(read)
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise UserError(f"--out: cannot write to {out} ({error.strerror})") from None
    if log:
        with opened(uri) as client:
            for sweep in sweeps:
                log_report(client, sweep, files)
    return out / "index.html"


def _read(client: Client, sweeps: Sequence[str], left_out: bool) -> Read:
    runs = []
    for sweep in sweeps:
        found = in_order(read_sweep(client, sweep, left_out=left_out))
        if not found:
            more = "" if left_out else " (--all shows trials that left its file, if there are any)"
            raise UserError(f"{sweep}: no trial has started yet{more}")
        runs += found
    measured = [run for run in runs if "eval/mae" in run.metrics]
    best = compare.best_of_targets(runs)
    shown = compare.shown_trials(measured, best, MOST_SHOWN)
    grids = {run.run_id: samples(client, run, STAGES + 1) for run in shown}
    for run in shown:
        if (beside := recoloured_beside(run, measured)) is not None:
            grids[beside.run_id] = samples(client, beside, 1)
    curves = {
        run.run_id: {metric: curve(client, run, metric) for metric in _metrics(run)}
        for run in shown
    }
    launches = {sweep: last_launch(client, sweep) for sweep in sweeps}
    return Read(sweeps, runs, shown, best, grids, curves, launches)


def _metrics(run: TrialRun) -> list[str]:
    wanted = [f"eval/{name}_error" for name in run.config.controls]
    wanted += ["eval/mae", *(metric for metric, _ in LOSSES)]
    return [metric for metric in wanted if metric in run.metrics]


def _render(read: Read) -> dict[str, bytes]:
    """Make every file of the report, by name."""
    table = rows(read.runs, read.best)
    hung = walls(read.shown, read.runs, read.grids)
    plots = _plots(read, table)
    files = {
        run.run_id: f"{i:02}-{_slug(run.name)}.png"
        for i, run in enumerate(read.runs)
        if read.grids.get(run.run_id)
    }
    overviews = {
        "overview.png" if i == 0 else f"overview-{i + 1}.png": overview(
            [(read.label(column.run), column.run) for column in wall.columns], read.grids
        )
        for i, wall in enumerate(hung)
    }
    pictures = {f"{plot.name}.png": plot.png for group in plots.values() for plot in group}
    pictures |= {file: newest(read.grids[run_id]) for run_id, file in files.items()}
    context = _context(read, table, hung)
    context |= {"plots": plots, "files": files, "overviews": list(overviews)}
    texts = {
        "index.html": _fill("index.html.j2", context),
        "README.md": _fill("README.md.j2", context),
        "rows.csv": to_csv(table),
        "rows.json": to_json(table),
    }
    return {name: text.encode() for name, text in texts.items()} | {
        f"images/{name}": picture for name, picture in (pictures | overviews).items()
    }


def _context(read: Read, table: Sequence[Row], hung: Sequence[Wall]) -> dict[str, Any]:
    """What the templates say in words and numbers."""
    pictured = [run for run in read.runs if read.grids.get(run.run_id)]
    apart = compare.told_apart(pictured)
    commands = {row.anchor: row.command for row in table}

    def place(run: TrialRun) -> str:
        return anchor(run.sweep, run.key)

    return {
        "read": read,
        "rows": table,
        "walls": hung,
        "tables": tables,
        "labelled": [(read.label(run), run) for run in read.shown],
        "choice": _choice(read),
        "settings": _shared_settings(read.runs),
        "counts": _counts(read),
        "unfinished": [run for run in read.runs if run.state != "finished"],
        "missing": _missing(read),
        "best": read.best,
        "rule": compare.BEST,
        "folded": compare.over_seeds(read.runs),
        "grids": compare.grids(read.runs),
        "made": _made(read),
        "data": json.dumps([_data(wall) for wall in hung]).replace("<", "\\u003c"),
        "pictured": [(_heading(run, apart[run.run_id]), run) for run in pictured],
        "anchor": place,
        "command": lambda run: commands[place(run)],
        "several": len(read.sweeps) > 1,
    }


def _fill(template: str, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = _plain_in_markdown
    return environment.get_template(template).render(context)


def _plots(read: Read, table: Sequence[Row]) -> dict[str, list[Plot]]:
    """Draw every plot, by the section that it belongs to."""
    free = [run for run in read.runs if not run.config.controls]
    first = {(row.sweep, row.key): row for row in reversed(table)}
    trials = [
        Cost(first[run.sweep, run.key], error, _short(run))
        for run in read.runs
        if (error := control_error(run)) is not None
    ]
    qualities = [("mae", "MAE"), ("fid", "FID")]
    return {
        "achieved": figures.achieved_against_wanted(table, read.sweeps, free),
        "trade_off": [
            figures.trade_off(there, quality, label, read.sweeps, free)
            for quality, label in qualities
            if (there := [t for t in trials if getattr(t.row, quality) is not None])
        ],
        "curves": _curves(read),
    }


def _short(run: TrialRun) -> str:
    return ", ".join(f"{SYMBOLS[n]} {c.target:g}" for n, c in run.config.controls.items())


def _curves(read: Read) -> list[Plot]:
    names = dict.fromkeys(name for run in read.shown for name in run.config.controls)
    metrics = [(f"eval/{name}_error", f"error of {name}") for name in names]
    plots = []
    for metric, label in (*metrics, ("eval/mae", "MAE"), *LOSSES):
        lines = {
            i: (read.label(run), points)
            for i, run in enumerate(compare.spread(read.shown, MOST_CURVES))
            if (points := read.curves[run.run_id].get(metric))
        }
        if any(len(points) > 1 for _, points in lines.values()):
            plots.append(figures.curves(f"curve-{_slug(metric)}", label, lines))
    return plots


def _data(wall: Wall) -> list[dict[str, Any]]:
    """What the page's script needs of each column, beside what the page shows."""
    return [
        {
            "name": column.run.name,
            "anchor": anchor(column.run.sweep, column.run.key),
            "step": column.step,
            "mae": column.mae,
            "numbers": [[asdict(n) for n in numbers] for numbers in column.numbers],
            "stages": [asdict(stage) for stage in column.stages],
            "recoloured": column.recoloured,
        }
        for column in wall.columns
    ]


def _heading(run: TrialRun, apart: str) -> str:
    """Name a trial by its targets, as the seed's results do, and what tells it from others."""
    controls = run.config.controls.items()
    targets = ", ".join(rf"$\sigma_{SYMBOLS[name]} = {c.target:g}$" for name, c in controls)
    after = "recoloured after training" if run.config.recolour else ""
    return ", ".join(
        part for part in (targets or "Without control", after, _plain_in_markdown(apart)) if part
    )


def _choice(read: Read) -> str:
    """Say which trials have no pictures here; nothing where all have."""
    measured = [r for r in read.runs if "eval/mae" in r.metrics and not r.config.recolour]
    if len(measured) == len(read.shown):
        return ""
    return f"Pictures of {len(read.shown)} of {len(measured)} trials: {compare.CHOICE}."


def _counts(read: Read) -> str:
    """Count trials by state: all that the sweeps ask for, with or without a run."""
    states = Counter(run.state for run in read.runs if run.index != LEFT_OUT)
    states["not begun"] += _missing(read)
    others = [f"{states[s]} {s}" for s in get_args(State) if states[s] and s != "finished"]
    if left := sum(run.index == LEFT_OUT for run in read.runs):
        others.append(f"{left} that left the file")
    finished = f"{states['finished']} of {states.total()} trials finished"
    return ", ".join([finished, *others])


def _missing(read: Read) -> int:
    """Count the trials that the sweeps ask for and that have no run yet."""
    missing = 0
    for sweep in read.sweeps:
        launched = range(read.launches[sweep].trials)  # what a search chose since comes after
        missing += len(launched) - sum(r.sweep == sweep and r.index in launched for r in read.runs)
    return missing


def _made(read: Read) -> dict[str, Any]:
    """How the report's trials came about."""
    trained = [run for run in read.runs if run.versions]
    return {
        "commands": [each.command for each in read.launches.values() if each.command],
        "report": version("colorsweep"),
        "versions": _unique(", ".join(f"{k} {v}" for k, v in r.versions.items()) for r in trained),
        "datasets": _unique(
            f"{r.config.dataset} at {r.config.image_size} pixels, {r.dataset_digest[:16]}"
            for r in trained
        ),
        "devices": _unique(run.device for run in trained),
    }


def _unique(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _plain_in_markdown(text: str) -> str:
    """Write text so that Markdown takes none of it for markup."""
    return re.sub(r"([\\`*_\[\]<>|#$&~])", r"\\\1", " ".join(text.split()))


def _shared_settings(runs: Sequence[TrialRun]) -> str:
    """Say what all trials have in common."""
    lines = {
        (
            f"dataset {run.config.dataset}",
            f"{run.config.image_size}×{run.config.image_size} pixels",
            f"{run.config.base_channels} base channels",
            f"batch {run.config.batch_size}",
        )
        for run in runs
    }
    counts = {
        (images := run.metrics["eval/images"], run.metrics.get("eval/pictures", images))
        for run in runs
        if "eval/images" in run.metrics
    }
    measured = [
        f"measured on {images:.0f} held-out images"
        + (f" (crops of {pictures:.0f} photographs)" if images != pictures else "")
        for images, pictures in counts
    ]
    same = [each[0] for each in zip(*lines, strict=True) if len(set(each)) == 1]
    return ", ".join(same + (measured if len(measured) == 1 else []))


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
