"""Make JSON Schemas of records and definitions, the same by every version of Python."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec


def schema_of(struct: type) -> Any:
    """Make the schema of a struct: a JSON object, of which the indentation of docstrings is taken out.

    From 3.13 on, Python takes it out itself.
    """
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(struct)}
    return {key: _dedented(value) for key, value in made.items()}


def _dedented(value: Any) -> Any:
    if isinstance(value, list):
        return [_dedented(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: inspect.cleandoc(each) if key == "description" and isinstance(each, str) else _dedented(each)
        for key, each in value.items()
    }
