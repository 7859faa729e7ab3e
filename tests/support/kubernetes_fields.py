"""Kubernetes' own description of its objects, against which files are checked."""

import re
from typing import Any

from kubernetes import client

GENERIC = re.compile(r"(List|Dict)\[(?:str, )?(.+)\]")
SIMPLE = {"str": str, "int": int, "bool": bool, "float": float, "object": object}


def mistakes(value: Any, of: str, path: str = "") -> list[str]:
    """Fields that a type of Kubernetes, such as V1PodSpec, does not have, or of another type."""
    if generic := GENERIC.fullmatch(of):
        if generic[1] == "List":
            items = list(enumerate(value)) if isinstance(value, list) else None
        else:
            items = list(value.items()) if isinstance(value, dict) else None
        if items is None:
            return [f"{path}: is no {of}"]
        return [each for key, x in items for each in mistakes(x, generic[2], f"{path}.{key}")]
    if of in SIMPLE:
        return [] if isinstance(value, SIMPLE[of]) else [f"{path}: is no {of}"]
    if not isinstance(value, dict):
        return [f"{path}: is no {of}"]
    model = getattr(client, of)
    types = {model.attribute_map[name]: type_ for name, type_ in model.openapi_types.items()}
    found: list[str] = []
    for key, field in value.items():
        at = f"{path}.{key}"
        found += mistakes(field, types[key], at) if key in types else [f"{at}: is unknown"]
    return found
