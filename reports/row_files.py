"""Rows of a report as files: CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gan.plain_text import no_formula
from reports.rows import Row

FIELDS = tuple(field.name for field in fields(Row) if field.name != "settings")


def to_csv(table: Sequence[Row]) -> str:
    """Write rows as CSV with a header; an absent value is empty, and no text is a formula."""
    buffer = io.StringIO()
    columns = [*_values(table[0])] if table else list(FIELDS)
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: no_formula(v) if isinstance(v, str) else v for name, v in _values(row).items()}
        for row in table
    )
    return buffer.getvalue()


def to_json(table: Sequence[Row]) -> str:
    """Write rows as a JSON array of objects; an absent value is null."""
    return json.dumps([_values(row) for row in table], indent=1, allow_nan=False) + "\n"


def _values(row: Row) -> dict[str, Any]:
    """Return the values of a row by field, then its settings; None for what JSON lacks."""
    values = {name: getattr(row, name) for name in FIELDS}
    values |= dict(row.settings)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
