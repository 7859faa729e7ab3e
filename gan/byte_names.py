r"""Paths with bytes that are not UTF-8, as text that JSON, YAML and MLflow hold: ``caf\xe9``."""

import re
from typing import Annotated

from pydantic import AfterValidator

from gan.errors import UserError


def as_text(path: str) -> str:
    r"""Write each byte that is not UTF-8, in Python a surrogate, as ``\xNN``."""
    return re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", path)


def as_path(text: str) -> str:
    """Return the path that ``as_text`` wrote."""
    return re.sub(r"\\x([89a-f][0-9a-f])", lambda byte: chr(0xDC00 + int(byte[1], 16)), text)


def require_utf8(what: str, name: object) -> None:
    """Refuse a name with bytes that are not UTF-8; ``what`` says in the message what it names.

    Raises:
        UserError: it has one.
    """
    if as_text(str(name)) != str(name):
        raise UserError(f"{what}: {name} is not UTF-8, as MLflow and Ray need it; rename it")


PathText = Annotated[str | None, AfterValidator(lambda path: path and as_text(path))]
"""Field of a model for a path, if there is one; it holds ``as_text``."""
