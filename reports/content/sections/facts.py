"""Turn nested facts from the record into the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.content.nodes import Cell, Table
from tare.reports.text.numbers import DASH
from tare.results.said import Name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give each value with its dotted name, as text; a list of plain values stays in one row."""
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for index, one in enumerate(value):
                yield from flatten(one if isinstance(one, dict) else {"": one}, f"{prefix}{name}.{index}.")
        else:
            yield f"{prefix}{name}", plain(value)


def plain(value: object) -> str:
    """Format one recorded value; a dash where it is missing or empty."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or DASH
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


_FEW = 40
"""A table of more facts is one that a page carries as text."""


def table(
    caption: str,
    columns: tuple[str, str],
    facts: Mapping[str, Any],
    *,
    only_set: bool = False,
    names: bool = False,
) -> Table:
    """Build a table of two columns, name and value, from nested facts.

    Args:
        caption: the table's.
        columns: heads of both columns.
        facts: what to tell, nested.
        only_set: leave out facts without a value.
        names: the values are of users, and are repeated in no other language.
    """
    told = [one for one in flatten(facts) if not only_set or one[1] != DASH]
    rows = tuple((Cell(name), Cell(Name(text) if names else text, recorded=True)) for name, text in told)
    return Table(caption, columns, rows, form="sheet" if len(rows) > _FEW else "")
