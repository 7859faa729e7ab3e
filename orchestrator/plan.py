"""From a sweep to its trials, without side effects."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gan.config import TrainConfig
from gan.errors import UserError
from orchestrator.spec import CONTROLS, Settings, SweepSpec, explain


@dataclass(frozen=True)
class Trial:
    """One point of a sweep."""

    name: str
    """For people: ``saturation=0.75, hue=0.6``, or ``baseline`` without a control."""
    key: str
    """For everything else: ``TrainConfig.key``."""
    config: TrainConfig


def expand(spec: SweepSpec) -> list[Trial]:
    """List the trials of a sweep: the grid of its axes, then its points, then comparisons.

    Where the sweep has a trial without control, a trial is added for each combination of targets
    of those that differ from it in nothing else: its outputs, recoloured after training.

    Raises:
        UserError: a value is out of range, two trials are the same, or there is none.
    """
    trials: list[Trial] = []
    origins: dict[str, str] = {}
    for origin, varied in _points(spec):
        trial = _trial(spec, origin, varied)
        if trial.key in origins:
            raise UserError(
                f"{spec.path}: {origin}: the same trial as {origins[trial.key]} ({trial.name})"
            )
        origins[trial.key] = origin
        trials.append(trial)
    return trials + [trial for trial in _recoloured(trials) if trial.key not in origins]


def _recoloured(trials: list[Trial]) -> list[Trial]:
    baselines = {trial.key: trial for trial in trials if not trial.config.controls}
    found: dict[str, Trial] = {}
    for trial in trials:
        if not trial.config.controls:
            continue
        if (baseline := baselines.get(trial.config.without_control().key())) is not None:
            config = baseline.config.recoloured_to(trial.config.controls)
            # Differences beside the targets, as the baseline's name has them.
            beside = baseline.name.removeprefix("baseline")
            found.setdefault(
                config.key(),
                Trial(f"recoloured, {_targets(trial.config)}{beside}", config.key(), config),
            )
    return list(found.values())


def _targets(config: TrainConfig) -> str:
    targets = {str(name): control.target for name, control in config.controls.items()}
    return ", ".join(f"{name}={targets[name]:g}" for name in CONTROLS if name in targets)


def _points(spec: SweepSpec) -> Iterator[tuple[str, Settings]]:
    """Yield where each trial is written, and what it sets beside the sweep's settings."""
    if spec.axes:
        for values in itertools.product(*spec.axes.values()):
            varied = dict(zip(spec.axes, values, strict=True))
            yield f"axes ({', '.join(f'{k}: {v}' for k, v in varied.items())})", varied
    for index, point in enumerate(spec.points):
        yield f"points[{index}]", point
    if not spec.axes and not spec.points:
        yield "settings", {}


def _trial(spec: SweepSpec, origin: str, varied: Settings) -> Trial:
    merged = spec.settings | varied
    fields: dict[str, Any] = {}
    controls: dict[str, dict[str, Any]] = {}
    for key, value in merged.items():
        name, _, field = key.partition(".")
        if name not in CONTROLS:
            fields[key] = value
        elif f"{name}.target" in merged:
            controls.setdefault(name, {})[field] = value
        elif key in varied:
            raise UserError(f"{spec.path}: {origin}: {key} without a target {name}: ...")
    # A length given here replaces the sweep's, whichever way it is counted.
    for length, other in (("steps", "epochs"), ("epochs", "steps")):
        if length in varied and other not in varied:
            fields.pop(other, None)
    try:
        config = TrainConfig.model_validate({**fields, "controls": controls})
    except ValidationError as error:
        at = error.errors()[0]["loc"]
        key = ".".join(str(part) for part in at if part != "controls")
        section = f"{origin}: " if not key or key in varied else "settings: "
        raise UserError(f"{spec.path}: {section}{explain(error, TrainConfig)}") from None
    return Trial(_name(controls, varied), config.key(), config)


def _name(controls: dict[str, dict[str, Any]], varied: Settings) -> str:
    parts = [f"{name}={controls[name]['target']}" for name in CONTROLS if name in controls]
    parts = parts or ["baseline"]
    parts += [f"{k}={v}" for k, v in varied.items() if not k.endswith(".target")]
    return ", ".join(parts)
