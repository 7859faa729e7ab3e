"""Reader of sweep files: YAML in, checked ``SweepSpec`` out.

The format, with every key optional::

    settings:               # of every trial: any field of gan.config.TrainConfig, and controls
      dataset: photos
      saturation.weight: 200
    axes:                   # lists; their product is the grid
      saturation: [0.25, 0.5, 0.75]
    points:                 # trials in addition to the grid; {} is the settings alone
      - {}
      - {hue: 0.6, saturation: 0.75}
      - {saturation: any, hue: {min: 0.2, max: 0.8, hold_out: [[0.4, 0.5]]}}  # as inputs
    resources:              # of each trial
      cpus_per_trial: 1
      gpus_per_trial: 0.5
    objective:              # metric by which search and scheduler compare trials
      metric: saturation_error
      subject_to: {mae: 0.1}
    search:                 # trials that are chosen by the results of others
      trials: 20
      over:                 # a plain value is fixed
        saturation: 0.75
        saturation.weight: {low: 10, high: 1000, log: true}
        batch_size: {choices: [16, 32]}
    scheduler:              # stops trials that fall behind
      name: asha
      grace_steps: 200
    notify: https://hooks.example.org/...   # or a command: told how a launch goes

A control's name alone means its target; ``NAME.weight`` and ``NAME: {target: ..., weight: ...}``
set more. Axes and points override settings.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from gan.byte_names import require_utf8
from gan.errors import UserError
from gan.strict import Frozen
from orchestrator.sweep import core_yaml
from orchestrator.sweep.messages import listed, nearest, short, unknown
from orchestrator.sweep.notify import NotifyTarget, notify_target
from orchestrator.sweep.search_settings import Objective, Scheduler, Search
from orchestrator.sweep.sections import (
    Settings,
    axes_of,
    mapping_of,
    model_of,
    objective_of,
    search_of,
    settings_of,
)

SECTIONS = (
    "settings",
    "axes",
    "points",
    "resources",
    "objective",
    "search",
    "scheduler",
    "notify",
)
MAX_BYTES = 2_000_000
MAX_TRIALS = 10_000
SHIPPED = Path(__file__).parent.parent.parent / "sweeps"


class Resources(Frozen):
    """Resources of one trial."""

    cpus_per_trial: int = Field(default=1, ge=1)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    """Share of one GPU, or a number of GPUs; default 1 if there is a GPU, else 0."""

    @field_validator("gpus_per_trial")
    @classmethod
    def _share_or_number(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ValueError("above 1 it must be a whole number")
        return gpus


@dataclass(frozen=True)
class SweepSpec:
    """Sweep as written in its file, not yet expanded."""

    name: str
    path: Path
    settings: Settings
    axes: dict[str, list[Any]]
    points: list[Settings]
    resources: Resources
    objective: Objective | None = None
    """Objective; None without a search or scheduler."""
    search: Search | None = None
    scheduler: Scheduler | None = None
    notify: NotifyTarget | None = None
    """Webhook or command that is told how a launch goes; no part of a trial."""


def find_sweep(name: str) -> Path:
    """Find a sweep file by its path, or a shipped one by its name.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    beside = sorted(str(p) for p in path.parent.glob("*.yaml"))
    known = [*beside, *shipped]
    raise UserError(f"{name}: no such sweep file{nearest(name, known)}; there are: {listed(known)}")


def is_shipped(path: Path) -> bool:
    """Whether a sweep file is a shipped one, or an unchanged copy of it under the same name."""
    shipped = SHIPPED / path.name
    return shipped.is_file() and shipped.read_bytes() == path.read_bytes()


def read_sweep(path: Path) -> SweepSpec:
    """Read a sweep file; the sweep has the file's name without its suffix.

    Raises:
        UserError: the file cannot be read or has something unknown; the message names file, key and
            choices.
    """
    require_name(path.stem, repr(str(path)))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES // 10**6} MB: no sweep file")
        content = core_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # {{a: 1}: 2}
        raise UserError(f"{path}: not valid YAML: {_one_line(error)}") from None
    top = mapping_of(path, "the file", {} if content is None else content)
    for key in top:
        if key not in SECTIONS:
            raise UserError(f"{path}: {key}: {unknown('key', str(key), SECTIONS)}")
    axes = mapping_of(path, "axes", top.get("axes") or {})
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{path}: axes.{key}: must be a list of values, not {short(values)}")
    points = top.get("points") or []
    if not isinstance(points, list):
        raise UserError(f"{path}: points: must be a list of trials, not {short(points)}")
    search, scheduler = search_of(path, top), model_of(path, top, "scheduler", Scheduler)
    count = math.prod(map(len, axes.values())) if axes else 0
    count += len(points) + (search.trials if search is not None else 0)
    if count > MAX_TRIALS:
        raise UserError(f"{path}: has {count} trials; a sweep has at most {MAX_TRIALS}")
    return SweepSpec(
        name=path.stem,
        path=path,
        settings=settings_of(path, "settings", top.get("settings") or {}),
        axes=axes_of(path, axes),
        points=[settings_of(path, f"points[{i}]", point) for i, point in enumerate(points)],
        resources=model_of(path, top, "resources", Resources) or Resources(),
        objective=objective_of(path, top, search or scheduler),
        search=search,
        scheduler=scheduler,
        notify=notify_target(top.get("notify"), f"{path}: notify"),
    )


def require_name(name: str, where: str) -> None:
    """Refuse a name of a sweep that cannot name a directory and an MLflow experiment.

    Raises:
        UserError: the name is not valid; the message begins with ``where``.
    """
    require_utf8("name of the sweep", name)
    if name[:1] in ("", ".", "-") or "/" in name or not name.isprintable() or name == "Default":
        raise UserError(
            f"{where}: {name!r} cannot name a sweep; valid names have printable characters without "
            "a slash, do not begin with . or -, and are not Default (MLflow's own)"
        )


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
