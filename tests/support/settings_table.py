"""Table of settings in sweeps/README.md, generated from the config: run it to write it anew."""

import json
import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from gan.config import TrainConfig

README = Path(__file__).parents[2] / "sweeps" / "README.md"
START = "<!-- settings: written by `python -m tests.support.settings_table` -->\n"
END = "<!-- end of settings -->\n"


def table() -> str:
    """Return a line for each setting but the controls: its values, default and meaning."""
    lines = ["| setting | values | default | meaning |", "|---|---|---|---|"]
    for name, field in TrainConfig.model_fields.items():
        if name == "controls":
            continue
        default = json.dumps(field.default) if field.default not in (None, ()) else "–"
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_values(field.annotation)} | {default} | {_plain(text)} |")
    return "\n".join(lines) + "\n"


def _values(kind: Any) -> str:
    if isinstance(kind, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "list"
    return {int: "integer", float: "number", bool: "true, false", str: "text"}[kind]


def _plain(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text)


def with_table(text: str) -> str:
    """Return the README's text with the table of today."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
