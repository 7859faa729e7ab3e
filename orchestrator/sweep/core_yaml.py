"""YAML 1.2's core schema: what a plain word or number in a sweep file means.

PyYAML implements YAML 1.1, in which ``yes`` is true, 0100 is 64, 1:30 is 90 and 1e-3 is a text.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

_PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
"""Pattern and first characters of each type's values; the first that matches counts."""


MAX_DEPTH = 20
MAX_VALUES = 200_000
"""Values of a document, with those that its aliases repeat."""
TEXT_OF_A_VALUE = 100
"""Characters of a text that count as one value: aliases repeat long texts too."""


@dataclass(frozen=True)
class Document:
    """Content of a document, and where its values are written."""

    content: Any = None
    twice: Sequence[tuple[int, str]] = ()
    """Line and name of each key that its mapping has already; the content has the last value."""
    root: yaml.Node | None = None

    def line_of(self, place: Sequence[object]) -> int:
        """Return the line, from 1, of the innermost key or item of ``place`` that is written.

        A dotted name (``hue.weight``) may be written as a mapping within another. 0: nowhere.
        """
        node, line, left = self.root, 0, list(place)
        while left and isinstance(node, yaml.CollectionNode):
            step, *left = left
            if isinstance(node, yaml.SequenceNode):
                if not isinstance(step, int) or step >= len(node.value):
                    break
                node = node.value[step]
                line = node.start_mark.line + 1
                continue
            name, _, rest = str(step).partition(".")
            pairs = {key.value: (key, value) for key, value in node.value if _is_scalar(key)}
            if str(step) in pairs:
                key, node = pairs[str(step)]
            elif name in pairs:
                key, node = pairs[name]
                left = [rest, *left] if isinstance(node, yaml.MappingNode) else left
            else:
                break
            line = key.start_mark.line + 1
        return line


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def load(text: str) -> Document:
    """Parse a document; of plain objects only, like ``yaml.safe_load``.

    Raises:
        yaml.YAMLError, ValueError, TypeError: the text is no such document, or it is deeper than
            ``MAX_DEPTH`` or has more than ``MAX_VALUES``.
    """
    loader = _Loader(text)
    try:
        if (root := loader.get_single_node()) is None:
            return Document()
        return Document(loader.construct_document(root), loader.twice, root)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}  # type: ignore[misc]
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None
        or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "seq", "map"}
    }
    """Without !!binary, dates and sets, which the core schema lacks: bytes pass for a text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self.twice: list[tuple[int, str]] = []
        """Line and name of each key that is given twice: YAML would keep the last in silence."""
        self._sizes: dict[yaml.Node, int] = {}
        """Numbers of values by node; an alias is its anchor's node."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._depth == MAX_DEPTH:
            raise _refused(f"nested more than {MAX_DEPTH} deep", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None or node in self._sizes:
            return node
        if isinstance(event, yaml.AliasEvent):  # of a node that is not complete yet
            raise _refused(f"*{event.anchor} is within itself", event)
        parts = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            self._note_twice(node)  # before merges add the keys of others
            parts = itertools.chain.from_iterable(parts)
        self._sizes[node] = 1 + sum(self._sizes[part] for part in parts)
        if isinstance(node, yaml.ScalarNode):
            self._sizes[node] += len(node.value) // TEXT_OF_A_VALUE
        if self._sizes[node] > MAX_VALUES:
            raise _refused(f"more than {MAX_VALUES} values, with those that aliases repeat", event)
        return node

    def _note_twice(self, node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                self.twice.append((key.start_mark.line + 1, str(key.value)))
            seen.add(key.value)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = node.value
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)


def _refused(problem: str, event: yaml.Event) -> yaml.YAMLError:
    return yaml.composer.ComposerError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


for _name, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
