"""Small records as JSON with a digest of their content, so that a damaged one is not believed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST = "sha256"


def sealed(record: Mapping[str, Any]) -> bytes:
    """Serialise a record with its digest."""
    return json.dumps({**record, DIGEST: _digest(record)}, indent=1).encode()


def unsealed(content: bytes) -> dict[str, Any]:
    """Parse the output of ``sealed``; a record of an earlier version has no digest.

    Raises:
        ValueError: the record is damaged.
    """
    record = json.loads(content)
    if not isinstance(record, dict):
        raise ValueError("not a record")
    if DIGEST in record and record.pop(DIGEST) != _digest(record):
        raise ValueError("not the record that was written")
    return record


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
