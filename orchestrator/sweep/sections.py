"""Sections of a sweep file, each checked key by key.

Functions raise a ``UserError`` that names file, key and what is valid. ``path`` is the file's,
``top`` its content, and ``where`` names the section in messages.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gan.config import TrainConfig
from gan.control import CONTROLS, Control
from gan.errors import UserError
from orchestrator.sweep.messages import explain, listed, short, unknown
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


def settings_of(path: Path, where: str, section: Any) -> Settings:
    """Check a mapping's keys and expand controls to dotted names."""
    flat: Settings = {}
    for key, value in mapping_of(path, where, section).items():
        for name, part in _expanded(path, f"{where}.{key}", str(key), value).items():
            if name in flat:
                raise UserError(f"{path}: {where}.{key}: {name} is given twice")
            flat[name] = part
    return flat


def axes_of(path: Path, axes: Mapping[Any, list[Any]]) -> dict[str, list[Any]]:
    """Check the lists of values and expand controls to dotted names."""
    flat: dict[str, list[Any]] = {}
    for key, values in axes.items():
        for value in values:
            if isinstance(value, dict | list):
                raise UserError(f"{path}: axes.{key}: must list plain values, not {short(value)}")
        (name,) = _expanded(path, f"axes.{key}", str(key), 0)
        if name in flat:
            raise UserError(f"{path}: axes.{key}: {name} is given twice")
        flat[name] = values
    return flat


def _expanded(path: Path, where: str, key: str, value: Any) -> Settings:
    """Resolve one key of the file to dotted names; unknown names are errors."""
    name, dot, field = key.partition(".")
    if name not in CONTROLS:
        if name in LIGHTNESS:
            raise UserError(f"{path}: {where}: {name} is no control: the photograph's L fixes it")
        if key not in FIELDS:
            raise UserError(f"{path}: {where}: {unknown('key', key, (*CONTROLS, *FIELDS))}")
        return {key: value}
    fields = tuple(Control.model_fields)
    if not dot and isinstance(value, dict):
        parts = {f"{name}.{k}": v for k, v in value.items()}
    else:
        parts = {f"{name}.{field if dot else 'target'}": value}
    for part in parts:
        if (given := part.partition(".")[2]) not in fields:
            raise UserError(f"{path}: {where}: {unknown('key', given, fields)}")
    return parts


def mapping_of(path: Path, where: str, section: Any) -> dict[Any, Any]:
    """Return a section if it is a mapping."""
    if not isinstance(section, dict):
        raise UserError(
            f"{path}: {where}: must be names and values (name: value), not {short(section)}"
        )
    return section


def model_of(path: Path, top: Mapping[Any, Any], name: str, model: type[_Model]) -> _Model | None:
    """Read a section as a model; return None if the file has none."""
    section = top.get(name)
    return _validated(path, name, section, model) if section else None


def _validated(path: Path, where: str, section: Any, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(mapping_of(path, where, section))
    except ValidationError as error:
        raise UserError(f"{path}: {where}.{explain(error, model)}") from None


def search_of(path: Path, top: Mapping[Any, Any]) -> Search | None:
    """Read the search; return None if the file has none."""
    if not (section := top.get("search")):
        return None
    if top.get("axes"):
        raise UserError(f"{path}: search: goes with points for trials of your own, not with axes")
    section = mapping_of(path, "search", section)
    if "over" in section:
        section = {**section, "over": _space(path, section["over"])}
    return _validated(path, "search", section, Search)


def _space(path: Path, section: Any) -> dict[str, Dimension]:
    """Read the dimensions of a search by dotted name."""
    over: dict[str, Dimension] = {}
    for key, value in mapping_of(path, "search.over", section).items():
        where = f"search.over.{key}"
        (name,) = _expanded(path, where, str(key), 0)
        if name in NOT_SEARCHED:
            valid = listed((*CONTROLS, *SEARCHED))
            raise UserError(f"{path}: {where}: is nothing to search over; valid: {valid}")
        if name in over:
            raise UserError(f"{path}: {where}: {name} is given twice")
        if not isinstance(value, dict | list):  # fixed for all trials
            value = {"choices": [value]}
        over[name] = dimension = _validated(path, where, value, Dimension)
        kind = number_type(name)
        if dimension.choices is None and kind is None:
            raise UserError(f"{path}: {where}: takes choices, no range")
        if dimension.choices is None and kind is int and float in map(type, dimension.ends()):
            raise UserError(f"{path}: {where}: must be whole numbers")
    if not over:
        raise UserError(f"{path}: search.over: needs at least one field")
    return over


def objective_of(path: Path, top: Mapping[Any, Any], used: object) -> Objective | None:
    """Read the objective; ``used`` is the search or scheduler that needs one, or None."""
    objective = model_of(path, top, "objective", Objective)
    if objective is not None and used is None:
        raise UserError(f"{path}: objective: is for a search or a scheduler; there is none")
    if objective is None and used is not None:
        raise UserError(f"{path}: objective: is missing; valid: objective: {{metric: mae}}")
    return objective
