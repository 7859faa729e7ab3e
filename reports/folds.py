"""Aggregation of trials: means over seeds, and grids over two settings. Pure functions."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from gan.control import CONTROLS, Control, ControlName
from reports.compare import control_error, settings_of
from reports.phase import TrialPhase
from reports.rows import Way, metric
from reports.runs import TrialRun

_TARGETS = re.compile(rf"(^|, )({'|'.join(CONTROLS)})=[^,]+")
"""Targets within a trial's name."""


@dataclass(frozen=True)
class MeanOf:
    """Mean and spread of a number over trials."""

    mean: float
    deviation: float | None
    """Sample standard deviation; None for one trial."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "MeanOf | None":
        """Aggregate the values that are not None; return None if there are none."""
        found = [value for value in values if value is not None]
        if not found:
            return None
        return cls(mean(found), stdev(found) if len(found) > 1 else None)


@dataclass(frozen=True)
class Folded:
    """One control of trials that differ only in their seed, aggregated."""

    sweep: str
    name: str
    control: str
    target: float | None
    seeds: int
    achieved: MeanOf | None
    error: MeanOf | None
    exact_error: MeanOf | None
    """Error after exact control; the only one that recoloured trials have."""
    kid: MeanOf | None
    exact_kid: MeanOf | None
    mae: MeanOf | None


def over_seeds(runs: Sequence[TrialRun]) -> list[Folded]:
    """Aggregate finished trials that differ only in their seed, one row per control.

    Trials of other pictures are aggregated apart.
    """
    same: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        if run.phase is TrialPhase.FINISHED:
            same.setdefault((run.sweep, run.recipe_key, run.pictures_key), []).append(run)
    return [
        _folded(these, name, control)
        for these in same.values()
        if len(these) > 1
        for name, control in _controls(these[0])
    ]


def _folded(runs: list[TrialRun], name: ControlName | None, control: Control | None) -> Folded:
    first = runs[0]

    def of(key: str, way: Way = "raw") -> MeanOf | None:
        if way == "raw" and first.config.recolour:
            return None
        values = [metric(run, key, way) for run in runs]
        if key == "hue" and control is not None:  # hue is circular: unwrap it
            values = [None if v is None else _around(v, control.wanted) for v in values]
        return MeanOf.of(values)

    return Folded(
        sweep=first.sweep,
        name=unseeded(first.name) + " †" * first.other_pictures,
        control=name or "",
        target=control.wanted if control and not control.is_any else None,
        seeds=len(runs),
        achieved=of(f"{name}", "exact" if first.config.recolour else "raw"),
        error=of(f"{name}_error"),
        exact_error=of(f"{name}_error", "exact"),
        kid=of("kid"),
        exact_kid=of("kid", "exact"),
        mae=of("mae", "exact" if first.config.recolour else "raw"),
    )


def _around(hue: float, target: float) -> float:
    """Unwrap a hue to a number within half a turn of a target."""
    return target + (hue - target + 0.5) % 1 - 0.5


def unseeded(name: str) -> str:
    """Return a trial's name without its seed."""
    return re.sub(r"(^|, )seed=\d+", "", name).removeprefix(", ") or "baseline"


def recipe(name: str) -> str:
    """Return a trial's name without its targets."""
    return _TARGETS.sub("", name.removeprefix("recoloured, ")).removeprefix(", ")


def _controls(run: TrialRun) -> list[tuple[ControlName | None, Control | None]]:
    return [*run.config.controls.items()] or [(None, None)]


@dataclass(frozen=True)
class Grid:
    """Trials arranged by two settings."""

    sweep: str
    of: str
    """Controls that all the trials have."""
    down: str
    """Name of the setting that varies from line to line."""
    across: str
    lines: list[tuple[Any, list["Cell | None"]]]
    """Value of ``down``, and one cell per value in ``columns``."""
    columns: list[Any]
    """Values of the setting ``across``."""

    @property
    def title(self) -> str:
        """Heading of the grid."""
        of = "" if self.across == f"wanted {self.of}" else f" ({self.of})"
        return f"{self.down} by {self.across}{of}"


@dataclass(frozen=True)
class Cell:
    """Trials at one place in a grid: their mean over seeds."""

    error: float | None
    """Mean of ``control_error``."""
    mae: float
    trials: int


def grids(runs: Sequence[TrialRun]) -> list[Grid]:
    """Arrange finished trials with the same controls in which exactly two settings differ.

    The seed does not count as a setting; recoloured trials are left out. Any-target trials have a
    separate grid over their targets, and trials of other pictures one of their own.
    """
    groups: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        if not run.config.recolour and run.phase is TrialPhase.FINISHED and run.measured:
            # Not ``pictures_key``: a grid may vary the dataset or the image size.
            pictures = run.dataset_digest if run.other_pictures else ""
            views = run.whole is not None
            groups.setdefault((run.sweep, pictures, views, *run.config.controls), []).append(run)
    found = (_grid(these) for these in groups.values())
    return [grid for grid in found if grid is not None]


def _grid(runs: list[TrialRun]) -> Grid | None:
    settings = [settings_of(run) for run in runs]
    varied = {
        name: sorted(values, key=lambda v: (str(type(v)), v))
        for name in settings[0]
        if len(values := {each[name] for each in settings}) > 1
    }
    if len(varied) != 2:
        return None
    across, down = varied  # settings list a target before its weight
    cells: dict[Hashable, list[TrialRun]] = {}
    for run, each in zip(runs, settings, strict=True):
        cells.setdefault((each[down], each[across]), []).append(run)
    lines = [(y, [_cell(cells.get((y, x), [])) for x in varied[across]]) for y in varied[down]]
    of = ", ".join(runs[0].config.controls) or "without control"
    of += ", any target" if runs[0].whole else ""
    of += " †" * runs[0].other_pictures
    return Grid(runs[0].sweep, of, down, across, lines, varied[across])


def _cell(runs: list[TrialRun]) -> Cell | None:
    if not runs:
        return None
    error = MeanOf.of([control_error(run) for run in runs])
    mae = mean(run.metrics["eval/mae"] for run in runs)
    return Cell(None if error is None else error.mean, mae, len(runs))
