"""The report of a sweep: a page that opens from disk, its Markdown twin, and the rows."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gan import samples
from gan.errors import UserError
from reports.compare import SYMBOLS, Row, crosstalk, in_order, rows, to_csv
from reports.figures import achieved_against_wanted, overview, strips
from reports.runs import TrialRun
from reports.tracking import AWAY, connect, newest_sample, read_sweep

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """One trial in the report."""

    run: TrialRun
    rows: list[Row]
    file: str
    """Name of its sample grid among the report's images."""
    grid: bytes | None

    @property
    def targets(self) -> list[tuple[str, float]]:
        """Symbol and value of each sigma."""
        return [(SYMBOLS[name], c.target) for name, c in self.run.config.controls.items()]

    @property
    def quality(self) -> Row:
        """A row with what the trial has beside its controls."""
        return self.rows[0]

    @property
    def length(self) -> str:
        """How long it trained, like the seed's results: (N steps = M epochs)."""
        return f"({self.run.step} steps = {self.run.epoch:.0f} epochs)"


def write_report(uri: str, sweep: str, out: Path, *, left_out: bool = False) -> Path:
    """Write ``index.html``, ``README.md``, ``rows.csv`` and the pictures; returns the page.

    Args:
        uri: of the tracking store, the only source.
        sweep: name of the sweep.
        out: directory, made if need be.
        left_out: whether to show trials too that the sweep's file no longer has.

    Raises:
        UserError: there is no such sweep, it has no trials, or ``out`` cannot be written.
    """
    client = connect(uri, to_read=True)
    try:
        runs = in_order(read_sweep(client, sweep, left_out=left_out))
        grids_of = {run.key: newest_sample(client, run) for run in runs}
    except AWAY as error:
        raise UserError(f"MLFLOW_TRACKING_URI: {sweep} cannot be read ({error})") from None
    if not runs:
        more = "" if left_out else " (--all shows trials that left its file, if there are any)"
        raise UserError(f"{sweep}: no trial has started yet{more}")
    table = rows(runs)
    sections = [
        Section(
            run,
            [row for row in table if row.key == run.key],
            f"{index:02}-{_slug(run.name)}.png",
            grids_of[run.key],
        )
        for index, run in enumerate(runs)
    ]
    pictures = {s.file: s.grid for s in sections if s.grid is not None}
    groups = _groups(sections)
    for index, grids in enumerate(groups):
        pictures[_overview_file(index)] = overview(grids)
    if (plot := achieved_against_wanted(table, _uncontrolled(runs))) is not None:
        pictures["achieved.png"] = plot
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    context = {
        "sweep": sweep,
        "sections": sections,
        "rows": table,
        "symbols": SYMBOLS,
        "crosstalk": crosstalk(runs),
        "has_fid": any(row.fid is not None for row in table),
        "recoloured": any(row.recoloured for row in table),
        "pictures": pictures,
        "settings": _shared_settings(runs),
        "overviews": [_overview_file(index) for index in range(len(groups))],
        "finished": sum(run.status == "FINISHED" for run in runs),
        "pruned": sum(run.pruned for run in runs),
        "data_uri": lambda name: data_uri(pictures[name]),
        "groups": [
            [(name, data_uri(samples.to_png(strip))) for name, strip in strips(grids)]
            for grids in groups
        ],
    }
    texts = {
        "index.html": environment.get_template("index.html.j2").render(context),
        "README.md": environment.get_template("README.md.j2").render(context),
        "rows.csv": to_csv(table),
    }
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            (out / "images" / name).write_bytes(picture)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: cannot write to {out} ({error.strerror})") from None
    return out / "index.html"


def _groups(sections: list[Section]) -> list[list[tuple[str, bytes]]]:
    """Gather the grids over the same held-out images: (trial name, PNG)."""
    groups: dict[tuple[object, ...], list[tuple[str, bytes]]] = {}
    for section in sections:
        config = section.run.config
        if section.grid is not None:
            images = (config.dataset, config.dataset_path, config.image_size, config.eval_images)
            groups.setdefault(images, []).append((section.run.name, section.grid))
    return list(groups.values())


def _overview_file(index: int) -> str:
    return "overview.png" if index == 0 else f"overview-{index + 1}.png"


def _shared_settings(runs: list[TrialRun]) -> str:
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
    counts = {run.metrics["eval/images"] for run in runs if "eval/images" in run.metrics}
    measured = [f"measured on {count:.0f} held-out images" for count in counts]
    same = [each[0] for each in zip(*lines, strict=True) if len(set(each)) == 1]
    return ", ".join(same + (measured if len(measured) == 1 else []))


def _uncontrolled(runs: list[TrialRun]) -> dict[str, float]:
    """What the first trial without control has of each statistic."""
    for run in runs:
        if not run.config.controls:
            return {k.removeprefix("eval/"): v for k, v in run.metrics.items()}
    return {}


def number(value: float | None, digits: int = 3) -> str:
    """Format a value for a table; an absent one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def data_uri(png: bytes) -> str:
    """Embed a picture, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
