"""Points of a sweep file: their places in it, their configs, and what is wrong with these."""

import itertools
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from gan.config import TrainConfig
from gan.control import CONTROLS, Control
from orchestrator.sweep.messages import explanations
from orchestrator.sweep.mistakes import Mistakes, Place, shown
from orchestrator.sweep.sections import Settings
from orchestrator.sweep.sweep_spec import SweepSpec

_TARGETS = ("target", "min", "max", "hold_out")
"""Fields of a control, of which at least one is set if the control is used."""
_LISTS = {
    name
    for model in (TrainConfig, Control)
    for name, field in model.model_fields.items()
    if "tuple" in str(field.annotation)
}
"""Fields whose value is a list."""


def points_of(spec: SweepSpec) -> Iterator[tuple[Place, Settings]]:
    """Yield the place of each trial in the file, and its settings on top of the sweep's."""
    if spec.axes:
        for values in itertools.product(*spec.axes.values()):
            yield ("axes",), dict(zip(spec.axes, values, strict=True))
    for index, point in enumerate(spec.points):
        yield ("points", index), point
    if not spec.axes and not spec.points and not spec.search:
        yield ("settings",), {}


def where_of(place: Place, varied: Settings) -> str:
    """Return the place of a trial as text, with its values of the axes."""
    if place == ("axes",):
        return f"axes ({', '.join(f'{k}: {v}' for k, v in varied.items())})"
    return shown(place)


def config_at(spec: SweepSpec, place: Place, varied: Settings) -> TrainConfig:
    """Return the config with ``varied``, which is at ``place``, on top of the sweep's settings.

    Raises:
        Mistakes: values are out of range.
    """
    fields, controls = _merged(spec, place, varied)
    try:
        return TrainConfig.model_validate({**fields, "controls": controls})
    except ValidationError as error:
        raise _mistakes(spec, place, varied, error) from None


def _merged(
    spec: SweepSpec, place: Place, varied: Settings
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the fields of a trial's config, and of its controls."""
    merged = spec.settings | varied
    for name in CONTROLS:
        if varied.get(f"{name}.target", "any") != "any":  # a number replaces the sweep's range
            for part in ("min", "max", "hold_out"):
                if f"{name}.{part}" not in varied:
                    merged.pop(f"{name}.{part}", None)
        elif f"{name}.target" not in varied and any(f"{name}.{e}" in varied for e in _TARGETS):
            merged.pop(f"{name}.target", None)  # a range replaces the sweep's number
    fields: dict[str, Any] = {}
    controls: dict[str, dict[str, Any]] = {}
    for key, value in merged.items():
        name, _, field = key.partition(".")
        if name not in CONTROLS:
            fields[key] = value
        elif any(f"{name}.{end}" in merged for end in _TARGETS):
            controls.setdefault(name, {})[field] = value
        elif key in varied:
            message = f"{key} needs a target: give {name}, too"
            where = where_of(place, varied)
            raise spec.file.mistake((*place, key), message, where=where, of_whole=True)
    # A length in ``varied`` replaces the sweep's, whether in steps or epochs.
    for length, other in (("steps", "epochs"), ("epochs", "steps")):
        if length in varied and other not in varied:
            fields.pop(other, None)
    return fields, controls


def _mistakes(spec: SweepSpec, place: Place, varied: Settings, error: ValidationError) -> Mistakes:
    """Return the mistakes in a trial, each at the value, or the section, that is wrong."""
    mistakes = Mistakes(spec.path)
    for key, message in explanations(error, TrainConfig):
        # Those of a control's numbers begin with its name.
        name = key or message.partition(" ")[0]
        while "." in name and name not in spec.settings | varied:  # within a list
            name = name.rpartition(".")[0]
        of_whole = name not in spec.settings and name not in varied
        at, where = place, where_of(place, varied)
        if name in varied:
            at = (*place, name)
            if place == ("axes",):
                values = [repr(value) for value in spec.axes[name]]  # True is not 1
                at = (*at, values.index(repr(varied[name])))
            where = shown((*place, name)) if key else shown(place)
        elif name in spec.settings:
            at, where = ("settings", name), f"settings.{key}" if key else "settings"
            if isinstance(spec.settings[name], list) and name.rpartition(".")[2] not in _LISTS:
                message = "takes one value; values to compare go under axes"
        elif place != ("settings",) and message in _wrong_alone(spec):
            at, where = ("settings",), "settings"
        mistakes.include(spec.file.mistake(at, message, where=where, of_whole=of_whole))
    return mistakes


def _wrong_alone(spec: SweepSpec) -> set[str]:
    """Return what is wrong with the settings without axes and points."""
    fields, controls = _merged(spec, ("settings",), {})
    try:
        TrainConfig.model_validate({**fields, "controls": controls})
    except ValidationError as error:
        return {message for _, message in explanations(error, TrainConfig)}
    return set()
