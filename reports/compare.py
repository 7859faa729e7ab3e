"""What a report compares: which trial is best, seeds folded, grids over two settings. Pure."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, TypeVar

from gan.control import Control
from reports.rows import shown_setting, span
from reports.runs import TrialRun

T = TypeVar("T")
BEST = (
    "of several trials that were steered to the same targets on the same pictures, the finished "
    "one with the smallest error of an image (over several controls the mean, in parts of their "
    "ranges); the smaller MAE where that is equal"
)
"""The rule that chooses the best trial of a target, for people."""
CHOICE = (
    "of those that differ in their seed alone the best or the first, and where that is still too "
    "many the best of each target, evenly chosen"
)
"""The rule of ``shown_trials``, for people."""


def in_order(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Put each recoloured trial behind the last one that was steered to the same targets."""
    steered = {_comparison(run): i for i, run in enumerate(runs) if not run.config.recolour}

    def place(item: tuple[int, TrialRun]) -> tuple[int, int]:
        i, run = item
        return (steered.get(_comparison(run), len(runs)) if run.config.recolour else i, i)

    return [run for _, run in sorted(enumerate(runs), key=place)]


def recoloured_beside(run: TrialRun, runs: Sequence[TrialRun]) -> TrialRun | None:
    """Return the trial that was recoloured to the targets that a trial was steered to."""
    same = (r for r in runs if r.config.recolour and _comparison(r) == _comparison(run))
    return None if run.config.recolour else next(same, None)


def _comparison(run: TrialRun) -> object:
    """Equal for trials that differ in how, not in what, they steer."""
    return run.sweep, run.config.without_control().key(), targets_of(run)


def targets_of(run: TrialRun) -> tuple[tuple[str, float], ...]:
    """Return the controls by name, each with its sigma."""
    return tuple((name, control.target) for name, control in run.config.controls.items())


def told_apart(runs: Sequence[TrialRun]) -> dict[str, str]:
    """Say what tells each trial from others of its sweep with the same targets, by run id.

    Such as "λ 50, seed 1"; of a trial that is alone with its targets nothing.
    """
    alike: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        alike.setdefault((run.sweep, targets_of(run), run.config.recolour), []).append(run)
    told = {}
    for these in alike.values():
        settings = [_settings(run) | {"seed": run.config.seed} for run in these]
        varied = [name for name in settings[0] if len({each[name] for each in settings}) > 1]
        for run, each in zip(these, settings, strict=True):
            controls = [*run.config.controls]
            only = f" of {controls[0]}" if len(controls) == 1 else ""
            told[run.run_id] = ", ".join(
                f"{name.removesuffix(only)} {shown_setting(each[name])}" for name in varied
            )
    return told


def pictures_of(run: TrialRun) -> Hashable:
    """Equal for trials that are measured on the same held-out images."""
    config = run.config
    dataset = run.dataset_digest or (config.dataset, config.dataset_path)
    return dataset, config.image_size, config.eval_images


def control_error(run: TrialRun) -> float | None:
    """Mean over the held-out images of |achieved - target|, in parts of the control's range.

    The mean over the controls; None without any, or before an evaluation.
    """
    found = [
        run.metrics[f"eval/{name}_error"] / span(name)
        for name in run.config.controls
        if f"eval/{name}_error" in run.metrics
    ]
    return mean(found) if found else None


def best_of_targets(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Choose, of trials that were steered to the same targets, by the rule ``BEST``."""
    rivals: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        if run.state == "finished" and not run.config.recolour and run.config.controls:
            rivals.setdefault((pictures_of(run), targets_of(run)), []).append(run)
    return [min(these, key=_rank) for these in rivals.values() if len(these) > 1]


def _rank(run: TrialRun) -> tuple[float, float]:
    error, infinite = control_error(run), float("inf")
    return infinite if error is None else error, run.metrics.get("eval/mae", infinite)


@dataclass(frozen=True)
class MeanOf:
    """Mean and spread of a number over trials."""

    mean: float
    deviation: float | None
    """Standard deviation of the sample; None for one trial."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "MeanOf | None":
        """Fold values, as far as there are any."""
        found = [value for value in values if value is not None]
        if not found:
            return None
        return cls(mean(found), stdev(found) if len(found) > 1 else None)


@dataclass(frozen=True)
class Folded:
    """Trials that differ in their seed alone, one control of theirs."""

    sweep: str
    name: str
    control: str
    target: float | None
    seeds: int
    achieved: MeanOf | None
    error: MeanOf | None
    mae: MeanOf | None


def over_seeds(runs: Sequence[TrialRun]) -> list[Folded]:
    """Fold finished trials that differ in their seed alone; a row a control."""
    same: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        if run.state == "finished":
            same.setdefault((run.sweep, _without_seed(run)), []).append(run)
    return [
        Folded(
            sweep=these[0].sweep,
            name=re.sub(r"(^|, )seed=\d+", "", these[0].name).removeprefix(", ") or "baseline",
            control=name or "",
            target=control.target if control else None,
            seeds=len(these),
            achieved=MeanOf.of([run.metrics.get(f"eval/{name}") for run in these]),
            error=MeanOf.of([run.metrics.get(f"eval/{name}_error") for run in these]),
            mae=MeanOf.of([run.metrics.get("eval/mae") for run in these]),
        )
        for these in same.values()
        if len(these) > 1
        for name, control in _controls(these[0])
    ]


def _controls(run: TrialRun) -> list[tuple[str | None, Control | None]]:
    return [*run.config.controls.items()] or [(None, None)]


def _without_seed(run: TrialRun) -> str:
    return run.config.model_copy(update={"seed": 0}).key()


@dataclass(frozen=True)
class Grid:
    """Trials over two settings."""

    sweep: str
    of: str
    """What they have in common: their controls."""
    down: str
    """Name of the setting that the lines are of."""
    across: str
    lines: list[tuple[Any, list["Cell | None"]]]
    """Value of ``down``, and a cell for each of ``columns``."""
    columns: list[Any]
    """Values of ``across``."""

    @property
    def title(self) -> str:
        """Say what it shows."""
        of = "" if self.across == f"wanted {self.of}" else f" ({self.of})"
        return f"{self.down} by {self.across}{of}"


@dataclass(frozen=True)
class Cell:
    """Trials of one place in a grid: their mean over seeds."""

    error: float | None
    """``control_error``."""
    mae: float
    trials: int


def grids(runs: Sequence[TrialRun]) -> list[Grid]:
    """Lay out finished trials of the same controls in which just two settings differ, by them.

    Seeds and lengths are no settings here; recoloured trials are left out.
    """
    groups: dict[Hashable, list[TrialRun]] = {}
    for run in runs:
        if not run.config.recolour and run.state == "finished":
            groups.setdefault((run.sweep, *run.config.controls), []).append(run)
    found = (_grid(these) for these in groups.values())
    return [grid for grid in found if grid is not None]


def _grid(runs: list[TrialRun]) -> Grid | None:
    settings = [_settings(run) for run in runs]
    varied = {
        name: sorted(values, key=lambda v: (str(type(v)), v))
        for name in settings[0]
        if len(values := {each[name] for each in settings}) > 1
    }
    if len(varied) != 2:
        return None
    across, down = varied  # a target comes before its weight
    cells: dict[Hashable, list[TrialRun]] = {}
    for run, each in zip(runs, settings, strict=True):
        cells.setdefault((each[down], each[across]), []).append(run)
    lines = [(y, [_cell(cells.get((y, x), [])) for x in varied[across]]) for y in varied[down]]
    of = ", ".join(runs[0].config.controls) or "without control"
    return Grid(runs[0].sweep, of, down, across, lines, varied[across])


def _settings(run: TrialRun) -> dict[str, Any]:
    """Everything that tells trials apart but seed and length, by a name for people."""
    flat: dict[str, Any] = {}
    for name, control in run.config.controls.items():
        flat |= {f"wanted {name}": control.target, f"λ of {name}": control.weight}
    aside = {"controls", "seed", "steps", "epochs", "recolour"}
    return flat | run.config.model_dump(mode="json", exclude=aside)


def _cell(runs: list[TrialRun]) -> Cell | None:
    if not runs:
        return None
    error = MeanOf.of([control_error(run) for run in runs])
    mae = mean(run.metrics["eval/mae"] for run in runs)
    return Cell(None if error is None else error.mean, mae, len(runs))


def shown_trials(runs: Sequence[TrialRun], best: Sequence[TrialRun], most: int) -> list[TrialRun]:
    """Choose the trials whose pictures a report shows side by side.

    Without control first, then by controls and targets; by the rule ``CHOICE``.

    Args:
        runs: measured trials; recoloured ones stand beside, not among them.
        best: of each target with several.
        most: how many, at most.
    """
    first: dict[Hashable, TrialRun] = {}
    for run in [*best, *sorted(runs, key=lambda run: run.state != "finished")]:
        if not run.config.recolour:
            first.setdefault((run.sweep, _without_seed(run)), run)
    chosen = list(first.values())
    if len(chosen) > most:
        of_target: dict[Hashable, TrialRun] = {}
        for run in [*best, *chosen]:
            of_target.setdefault((pictures_of(run), targets_of(run)), run)
        chosen = list(of_target.values())
    controls = list(dict.fromkeys(tuple(run.config.controls) for run in chosen))
    controls.sort(key=len)
    place = {id(run): i for i, run in enumerate(runs)}
    chosen.sort(
        key=lambda r: (controls.index(tuple(r.config.controls)), targets_of(r), place[id(r)])
    )
    return spread(chosen, most)


def spread(things: Sequence[T], most: int) -> list[T]:
    """Take at most so many, evenly spread, with the first and the last."""
    if len(things) <= most:
        return list(things)
    return [things[round(i * (len(things) - 1) / max(1, most - 1))] for i in range(most)]
