"""Base of the models of what users write: nothing is converted in silence."""

from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Frozen(BaseModel):
    """Immutable model that rejects unknown fields, and values of another type.

    A number for a field of fractions may be whole, and one for a whole number may end in ``.0``.
    Otherwise pydantic would take true for 1, "0.5" for 0.5 and 0 for false.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_type(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name is not None:
            annotation: Any = cls.model_fields[info.field_name].annotation
            _check(value, _types(annotation))
        return value


@cache
def _types(annotation: Any) -> frozenset[Any]:
    """Return the plain types within an annotation."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return frozenset(map(type, parts))
    if get_origin(annotation) is dict:
        return frozenset({dict})
    return frozenset({annotation}).union(*map(_types, parts))


def _check(value: Any, types: frozenset[Any]) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _check(item, types)
    elif isinstance(value, bool | int | float | str) and not types & _LIKE[type(value)]:
        for kind, words in _WANTED.items():
            if kind in types:
                raise ValueError(f"must be {words}")


_WANTED: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
}
_LIKE: dict[type, set[type]] = {
    bool: {bool},
    int: {int, float, str},
    float: {int, float, str},
    str: {str},
}
"""Types of fields that a plain value is passed on to; for texts, pydantic refuses a number."""
