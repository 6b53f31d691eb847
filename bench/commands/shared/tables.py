"""Print rows as a table with aligned columns."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from tare.reports.text.columns import padded, width
from tare.results.printable import one_line
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.bench.commands.shared.speaking import Tell
    from tare.results.stores.model import RunHead

FACTS = (
    say("terminal.run", "run"),
    say("terminal.date", "date (UTC)"),
    say("terminal.head_mode", "mode"),
    say("terminal.status", "status"),
    say("terminal.host_class", "host class"),
    say("terminal.commit", "commit"),
)
"""Titles of the columns that :func:`facts` fills."""


_INDENT = "    "
"""Indent of a row's further lines."""

STATES = {
    "complete": say("status.complete", "complete"),
    "running": say("status.running", "running"),
    "interrupted": say("status.interrupted", "interrupted"),
    "damaged": say("status.damaged", "damaged"),
}
"""State of a run → its name."""


def aligned(rows: Sequence[Sequence[str]], *, columns: int | None = None) -> Iterator[str]:
    """Give the lines of a table; all rows have the same number of cells, and each is one line whatever is in them.

    A row that is wider than a terminal of so many columns continues on the next line, indented; ``None``: no row is.
    """
    clean = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*clean, strict=True)]
    parts = _parts(widths, columns)
    for row in clean:
        for indent, part in parts:
            yield (indent + "  ".join(padded(row[at], widths[at]) for at in part)).rstrip()


def room() -> int | None:
    """Count the columns of the terminal that standard output is; ``None`` if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _parts(widths: Sequence[int], columns: int | None) -> list[tuple[str, list[int]]]:
    """Divide columns among as many lines as they need, each with its indent."""
    parts: list[tuple[str, list[int]]] = [("", [])]
    used = 0
    for at, wide in enumerate(widths):
        if columns is not None and parts[-1][1] and used + wide > columns:
            parts.append((_INDENT, []))
            used = len(_INDENT)
        parts[-1][1].append(at)
        used += wide + 2
    return parts


def facts(head: RunHead, tell: Tell) -> tuple[str, ...]:
    """Give a run's cells under :data:`FACTS`, in the language of the terminal; a mode is the name of an option."""
    status = STATES.get(head.status, head.status)
    return head.run, head.date, head.mode, tell(status), head.host_class, head.shown_commit or "-"


def name_and_labels(head: RunHead) -> str:
    """Give what the user called a run, in one cell."""
    return f"{head.name} {head.shown_labels}".strip()
