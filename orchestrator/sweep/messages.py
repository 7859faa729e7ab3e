"""Messages for user errors: the mistake, the valid choices and the nearest name."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gan.plain_text import cut, there_are


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe a validation error in one line: the key, the mistake, the valid values."""
    key, message = explanations(error, model)[0]
    return f"{key}: {message}" if key else message


def explanations(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """Return the key and the description of each mistake; no key if it is of several together."""
    explained = (_explanation(found, model) for found in error.errors())
    first: dict[str, str] = {}
    for key, message in explained:  # a value may be told once for each type that it might have
        first.setdefault(key, message)
    return list(first.items())


def _explanation(found: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    key, given = key_of(found["loc"]), found["input"]
    if found["type"] == "extra_forbidden":
        return key, unknown("key", key, tuple(model.model_fields))
    if found["type"] == "missing":
        return key, "is missing"
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "int_from_float":
        message = "must be a whole number"
    if found["type"] == "literal_error" and isinstance(given, str):
        choices = [c.strip("'") for c in message.removeprefix("Input should be ").split(", ")]
        choices = [c.strip("'") for part in choices for c in part.split("' or '")]
        return key, unknown("value", given, choices)
    if not key:
        named = re.match(r"([a-z_][\w.]*): ", message)
        return (named[1], message[named.end() :]) if named else ("", message)
    if found["type"] == "value_error" and isinstance(given, dict):
        return key, message
    return key, f"{message[0].lower()}{message[1:]}, not {short(given)}{_meant(given, message)}"


def _meant(given: object, message: str) -> str:
    """Tell how a number is written that was given as a text, such as 1_000 or "40"."""
    if message == "must be a number" and isinstance(given, str):
        with suppress(ValueError):
            number = float(re.sub("[,_ ]", "", given))
            if math.isfinite(number):
                return f"; write {number:.12g}"
    return ""


def key_of(loc: tuple[int | str, ...]) -> str:
    """Return the dotted name of the field that an error is about."""
    # pydantic's location of a target includes the type that was tried.
    aside = ("controls", "float", "literal['any']")
    return ".".join(str(part) for part in loc if part not in aside)


def short(value: object) -> str:
    """Return a value of a file for a message, in about 120 characters."""
    return cut(repr(value), 120)


def unknown(kind: str, given: str, valid: Iterable[str]) -> str:
    """Describe an unknown name, with the nearest and all valid names, unless these are many."""
    return f"unknown {kind} {short(given)}{there_are(given, valid, 'valid')}"


def listed(names: Iterable[str]) -> str:
    """Join names for a message."""
    return ", ".join(names) or "none"
