"""Sections of a sweep file, each checked key by key.

Functions raise ``Mistakes`` that name file, line, key and what is valid; those with a parameter
``mistakes`` add theirs to it, and return what is right. ``top`` is the content of the file, and
``place`` leads to the section.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gan.config import TrainConfig
from gan.control import CONTROLS, Control
from orchestrator.sweep.messages import explanations, listed, short, unknown
from orchestrator.sweep.mistakes import Mistakes, Place, SweepFile, shown
from orchestrator.sweep.search_settings import (
    NOT_SEARCHED,
    Dimension,
    Objective,
    Search,
    number_type,
)

FIELDS = ("preset", *(name for name in TrainConfig.model_fields if name != "controls"))
SEARCHED = tuple(name for name in FIELDS if name not in NOT_SEARCHED)
LIGHTNESS = ("value", "brightness", "lightness", "luminance")

_Model = TypeVar("_Model", bound=BaseModel)
Settings = dict[str, Any]
"""Values by dotted name: ``batch_size``, ``saturation.target``, ``saturation.weight``."""


def settings_of(file: SweepFile, mistakes: Mistakes, place: Place, section: Any) -> Settings:
    """Check a mapping's keys and expand controls to dotted names."""
    flat: Settings = {}
    with mistakes.collected():
        for key, value in mapping_of(file, place, section).items():
            with mistakes.collected():
                for name, part in _expanded(file, (*place, str(key)), value).items():
                    if name in flat:
                        raise file.mistake((*place, str(key)), f"{name} is given twice")
                    flat[name] = part
    return flat


def axes_of(
    file: SweepFile, mistakes: Mistakes, axes: Mapping[Any, list[Any]]
) -> dict[str, list[Any]]:
    """Check the lists of values and expand controls to dotted names."""
    flat: dict[str, list[Any]] = {}
    for key, values in axes.items():
        place = ("axes", str(key))
        with mistakes.collected():
            if not isinstance(values, list) or not values:
                raise file.mistake(place, f"must be a list of values, not {short(values)}")
            for value in values:
                if isinstance(value, dict | list):
                    raise file.mistake(place, f"must list plain values, not {short(value)}")
            (name,) = _expanded(file, place, 0)
            if name in flat:
                raise file.mistake(place, f"{name} is given twice")
            flat[name] = values
    return flat


def _expanded(file: SweepFile, place: Place, value: Any) -> Settings:
    """Resolve the last key of a place to dotted names; unknown names are errors."""
    key = str(place[-1])
    name, dot, field = key.partition(".")
    if name not in CONTROLS:
        if name in LIGHTNESS:
            raise file.mistake(place, f"{name} is no control: the photograph's L fixes it")
        if dot:
            raise file.mistake(place, unknown("control", name, CONTROLS))
        if key not in FIELDS:
            raise file.mistake(place, unknown("key", key, (*CONTROLS, *FIELDS)))
        return {key: value}
    fields = tuple(Control.model_fields)
    if not dot and isinstance(value, dict):
        parts = {f"{name}.{k}": v for k, v in value.items()}
    else:
        parts = {f"{name}.{field if dot else 'target'}": value}
    mistakes = Mistakes(file.path)
    for part in parts:
        if (given := part.partition(".")[2]) not in fields:
            at = place if dot else (*place, given)
            message = unknown("key", given, fields)
            mistakes.include(file.mistake(at, message, where=shown(place)))
    mistakes.raise_any()
    return parts


def mapping_of(file: SweepFile, place: Place, section: Any) -> dict[Any, Any]:
    """Return a section if it is a mapping."""
    if not isinstance(section, dict):
        raise file.mistake(place, f"must be names and values (name: value), not {short(section)}")
    return section


def model_of(
    file: SweepFile, mistakes: Mistakes, top: Mapping[Any, Any], name: str, model: type[_Model]
) -> _Model | None:
    """Read a section as a model; return None if the file has none, or a wrong one."""
    if section := top.get(name):
        with mistakes.collected():
            return _validated(file, (name,), section, model)
    return None


def _validated(file: SweepFile, place: Place, section: Any, model: type[_Model]) -> _Model:
    mistakes = Mistakes(file.path)
    try:
        return model.model_validate(mapping_of(file, place, section))
    except ValidationError as error:
        for key, message in explanations(error, model):
            mistakes.include(file.mistake((*place, *key.split(".")) if key else place, message))
        raise mistakes from None


def search_of(file: SweepFile, mistakes: Mistakes, top: Mapping[Any, Any]) -> Search | None:
    """Read the search; return None if the file has none, or a wrong one."""
    with mistakes.collected():
        if not (section := top.get("search")):
            return None
        if top.get("axes"):
            raise file.mistake(
                ("search",), "goes with points for trials of your own, not with axes"
            )
        section = mapping_of(file, ("search",), section)
        if "over" in section:
            over = _space(file, mistakes, section["over"])
            if mistakes.concern(("search", "over")):
                return None
            section = {**section, "over": over}
        return _validated(file, ("search",), section, Search)
    return None


def _space(file: SweepFile, mistakes: Mistakes, section: Any) -> dict[str, Dimension]:
    """Read the dimensions of a search by dotted name."""
    over: dict[str, Dimension] = {}
    for key, value in mapping_of(file, ("search", "over"), section).items():
        with mistakes.collected():
            name, dimension = _dimension(file, ("search", "over", str(key)), value)
            if name in over:
                raise file.mistake(("search", "over", str(key)), f"{name} is given twice")
            over[name] = dimension
    if not section:
        raise file.mistake(("search", "over"), "needs at least one field")
    return over


def _dimension(file: SweepFile, place: Place, value: Any) -> tuple[str, Dimension]:
    (name,) = _expanded(file, place, 0)
    if name in NOT_SEARCHED:
        valid = listed((*CONTROLS, *SEARCHED))
        raise file.mistake(place, f"is nothing to search over; valid: {valid}")
    if not isinstance(value, dict | list):  # fixed for all trials
        value = {"choices": [value]}
    kind = number_type(name)
    if kind is int and isinstance(value, dict):
        value = {k: _whole(end) if k in ("low", "high") else end for k, end in value.items()}
    dimension = _validated(file, place, value, Dimension)
    if dimension.choices is None and kind is None:
        raise file.mistake(place, "takes choices, no range")
    if dimension.choices is None and kind is int and float in map(type, dimension.ends()):
        raise file.mistake(place, "must be whole numbers")
    return name, dimension


def _whole(number: Any) -> Any:
    """Return a whole number that is written as a fraction (``1e2``) as an integer."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def objective_of(file: SweepFile, mistakes: Mistakes, top: Mapping[Any, Any]) -> Objective | None:
    """Read the objective, which a search or a scheduler needs."""
    objective = model_of(file, mistakes, top, "objective", Objective)
    used = top.get("search") or top.get("scheduler")
    with mistakes.collected():
        if objective is not None and not used:
            raise file.mistake(("objective",), "is for a search or a scheduler; there is none")
        if not top.get("objective") and used:
            raise file.mistake((), "is missing; valid: objective: {metric: mae}", where="objective")
    return objective
