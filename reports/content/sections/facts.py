"""Nested facts from the record as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.content.nodes import Cell, Table
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name → value as text; lists of plain values in one row."""
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for index, one in enumerate(value):
                yield from flatten(one if isinstance(one, dict) else {"": one}, f"{prefix}{name}.{index}.")
        else:
            yield f"{prefix}{name}", plain(value)


def plain(value: object) -> str:
    """One value as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or DASH
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def table(caption: str, columns: tuple[str, str], facts: Mapping[str, Any]) -> Table:
    """The facts under a caption."""
    rows = tuple((Cell(name), Cell(text, recorded=True)) for name, text in flatten(facts))
    return Table(caption, columns, rows)
