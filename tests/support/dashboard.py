"""The Grafana dashboard that ships, and its queries as Grafana would send them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.driver.grafana import DASHBOARD

CONTENT: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")


@dataclass(frozen=True)
class Target:
    """A query of a panel."""

    panel: str
    expression: str
    legend: str

    def __str__(self) -> str:
        return self.panel


def panels() -> list[dict[str, Any]]:
    return [*CONTENT["panels"]]


def targets() -> list[Target]:
    return [
        Target(panel["title"], target["expr"], target["legendFormat"])
        for panel in panels()
        for target in panel["targets"]
    ]


def variables() -> list[dict[str, Any]]:
    return [*CONTENT["templating"]["list"]]


def named_in(text: str) -> Iterator[str]:
    """Names of the variables in a text."""
    for found in VARIABLE.finditer(text):
        yield found[1] or found[2]


def replaced(text: str, values: Mapping[str, str]) -> str:
    """A text with the variables' values; a variable without one is an error."""
    return VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def all_values() -> dict[str, str]:
    """What Grafana puts for the choice *All*."""
    return {v["name"]: v["allValue"] for v in variables() if v["includeAll"]}
