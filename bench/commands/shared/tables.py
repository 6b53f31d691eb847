"""Print rows as a table with aligned columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMIT_CHARACTERS = 10
"""Characters of a commit that tables show."""


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table; all rows have the same number of cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
