"""Messages for user errors: the mistake, the valid choices and the nearest name."""

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from gan.plain_text import cut


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe a validation error in one line: the key, the mistake, the valid values."""
    first = error.errors()[0]
    key = key_of(first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key}: {unknown('key', key, tuple(model.model_fields))}"
    if first["type"] == "missing":
        return f"{key}: is missing"
    message = first["msg"].removeprefix("Value error, ")
    given = first["input"]
    if first["type"] == "literal_error" and isinstance(given, str):
        choices = [c.strip("'") for c in message.removeprefix("Input should be ").split(", ")]
        choices = [c.strip("'") for part in choices for c in part.split("' or '")]
        return f"{key}: {unknown('value', given, choices)}"
    if not key:
        return message
    if first["type"] == "value_error" and isinstance(given, dict):
        return f"{key}: {message}"
    return f"{key}: {message[0].lower()}{message[1:]}, not {short(given)}"


def key_of(loc: tuple[int | str, ...]) -> str:
    """Return the dotted name of the field that an error is about."""
    # pydantic's location of a target includes the type that was tried.
    aside = ("controls", "float", "literal['any']")
    return ".".join(str(part) for part in loc if part not in aside)


def short(value: object) -> str:
    """Return a value of a file for a message, in about 120 characters."""
    return cut(repr(value), 120)


def unknown(kind: str, given: str, valid: Iterable[str]) -> str:
    """Describe an unknown name, with the nearest and all valid names."""
    valid = list(valid)
    return f"unknown {kind} {short(given)}{nearest(given, valid)}; valid: {listed(valid)}"


def nearest(given: str, valid: Iterable[str]) -> str:
    """Suggest the most similar valid name, if any is similar."""
    found = difflib.get_close_matches(given, list(valid), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """Join names for a message."""
    return ", ".join(names) or "none"
