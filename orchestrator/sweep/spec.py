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

import logging
import math
from pathlib import Path
from typing import Any

import yaml

from gan.byte_names import require_utf8
from gan.errors import UserError
from gan.plain_text import there_are
from orchestrator.sweep import core_yaml
from orchestrator.sweep.messages import listed, short, unknown
from orchestrator.sweep.mistakes import Mistake, Mistakes, SweepFile
from orchestrator.sweep.notify import notify_target
from orchestrator.sweep.search_settings import Scheduler
from orchestrator.sweep.sections import (
    axes_of,
    mapping_of,
    model_of,
    objective_of,
    search_of,
    settings_of,
)
from orchestrator.sweep.sweep_spec import Resources, SweepSpec
from orchestrator.sweep.trials import add_mistakes_of_trials

log = logging.getLogger(__name__)
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
    if path.is_dir():
        files = sorted(str(file) for file in path.glob("*.y*ml"))
        within = f"name a sweep file in it: {listed(files)}" if files else "no sweep file is in it"
        raise UserError(f"{name}: is a directory; {within}")
    beside = sorted(str(p) for p in path.parent.glob("*.yaml"))
    known = [*beside, *shipped]
    raise UserError(f"{name}: no such sweep file{there_are(name, known)}")


def renaming(path: Path) -> str:
    """Say how the sweep of a file gets another name."""
    return f"rename {path.name}, which names it, or launch a copy of another name"


def is_shipped(path: Path) -> bool:
    """Whether a sweep file is a shipped one, or an unchanged copy of it under the same name."""
    shipped = SHIPPED / path.name
    return shipped.is_file() and shipped.read_bytes() == path.read_bytes()


def read_sweep(path: Path) -> SweepSpec:
    """Read a sweep file; the sweep has the file's name without its suffix.

    Raises:
        UserError: the file cannot be read, or has mistakes, all of which are told, with their
            lines, keys and what is valid.
    """
    require_name(path.stem, repr(str(path)))
    file = _parsed(path)
    top = mapping_of(file, (), {} if file.document.content is None else file.document.content)
    mistakes = Mistakes(path)
    for line, key in file.document.twice:
        mistakes.add(Mistake((key,), line, key, "is given twice", of_whole=False))
    for key in top:
        if key not in SECTIONS:
            mistakes.include(file.mistake((str(key),), unknown("key", str(key), SECTIONS)))
    spec = _spec(file, mistakes, top)
    log.debug("%s: %d axes, %d points", path, len(spec.axes), len(spec.points))
    if mistakes:
        add_mistakes_of_trials(spec, mistakes)
        raise mistakes
    return spec


def _parsed(path: Path) -> SweepFile:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES // 10**6} MB: no sweep file")
        return SweepFile(path, core_yaml.load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        if (mark := error.problem_mark) is None:
            raise UserError(f"{path}: not valid YAML: {_one_line(error)}") from None
        at = f"{path}:{mark.line + 1}: not valid YAML, column {mark.column + 1}"
        raise UserError(f"{at}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # {{a: 1}: 2}
        raise UserError(f"{path}: not valid YAML: {_one_line(error)}") from None


def _spec(file: SweepFile, mistakes: Mistakes, top: dict[Any, Any]) -> SweepSpec:
    """Read the sections; of what is wrong, ``mistakes`` are told, and it is left out."""
    axes: dict[Any, Any] = {}
    with mistakes.collected():
        axes = mapping_of(file, ("axes",), top.get("axes") or {})
    points = top.get("points") or []
    if not isinstance(points, list):
        message = f"must be a list of trials, not {short(points)}"
        mistakes.include(file.mistake(("points",), message))
        points = []
    search = search_of(file, mistakes, top)
    count = math.prod(len(v) for v in axes.values() if isinstance(v, list)) if axes else 0
    count += len(points) + (search.trials if search is not None else 0)
    if count > MAX_TRIALS:  # told alone: to look at them all would take long
        raise UserError(f"{file.path}: has {count} trials; a sweep has at most {MAX_TRIALS}")
    notify = None
    try:
        notify = notify_target(top.get("notify"), "notify")
    except UserError as error:
        message = str(error).removeprefix("notify: ")
        mistakes.include(file.mistake(("notify",), message))
    return SweepSpec(
        file=file,
        settings=settings_of(file, mistakes, ("settings",), top.get("settings") or {}),
        axes=axes_of(file, mistakes, axes),
        points=[settings_of(file, mistakes, ("points", i), p) for i, p in enumerate(points)],
        resources=model_of(file, mistakes, top, "resources", Resources) or Resources(),
        objective=objective_of(file, mistakes, top),
        search=search,
        scheduler=model_of(file, mistakes, top, "scheduler", Scheduler),
        notify=notify,
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
    return " ".join(str(error).split())
