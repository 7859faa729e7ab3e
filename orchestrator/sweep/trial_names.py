"""Names of trials for people, which tell apart the trials of a sweep. Pure functions."""

from collections.abc import Sequence
from typing import Any

from gan.config import TrainConfig
from orchestrator.sweep.sections import Settings
from reports.names import BASELINE, targets_text, value_text


def name_of(config: TrainConfig, varied: Settings) -> str:
    """Return a trial's targets, or ``BASELINE``, and the settings that vary in its sweep."""
    parts = [targets_text(config) or BASELINE]
    # eval_targets is long and rarely the only difference; ``named_apart`` adds it if it is.
    left_out = (".target", ".min", ".max", "eval_targets")
    shown = {k: v for k, v in varied.items() if not k.endswith(left_out)}
    values = {k: v if k == "preset" else value_at(config, k) for k, v in shown.items()}
    parts += [f"{k}={value_text(v)}" for k, v in values.items() if v is not None]
    return ", ".join(parts)


def named_apart(names: Sequence[str], configs: Sequence[TrainConfig]) -> list[str]:
    """Add to equal names the settings by which their trials differ, with all their digits."""
    of_name: dict[str, list[dict[str, Any]]] = {}
    for name, config in zip(names, configs, strict=True):
        of_name.setdefault(name, []).append(config.model_dump())
    apart = []
    for name, config in zip(names, configs, strict=True):
        first, *others = of_name[name]
        differing = [k for k, v in first.items() if any(other[k] != v for other in others)]
        parts = name.split(", ")
        for key, value in config.model_dump(include={*differing}, exclude={"controls"}).items():
            if (rounded := f"{key}={value_text(value)}") in parts:
                parts[parts.index(rounded)] = f"{key}={value}"
            elif value not in ((), None):
                parts.append(f"{key}={value if isinstance(value, float) else value_text(value)}")
        apart.append(", ".join(parts))
    return apart


def held_out_text(config: TrainConfig) -> str:
    """Return the held-out intervals as part of a name; their middles are measured too."""
    return "".join(
        f", {name}.hold_out={value_text([list(each) for each in control.hold_out])}"
        for name, control in config.controls.items()
        if control.hold_out
    )


def value_at(config: TrainConfig, key: str) -> Any:
    """Return the value of a dotted name in a config; None for a field of an absent control."""
    name, dot, field = key.partition(".")
    if not dot:
        return getattr(config, name)
    controls = {str(control): value for control, value in config.controls.items()}
    return getattr(controls[name], field) if name in controls else None
