"""Render the summary for a terminal, or as plain lines."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from tare.reports.content.nodes import Bullets, Details, Headline, Links, Notice, Paragraph, Picture, Table
from tare.reports.content.page import Page
from tare.reports.content.sections import SHORTEST, sections
from tare.reports.summaries.run import summarised
from tare.reports.text.columns import width
from tare.reports.text.words import words
from tare.results.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from tare.reports.content.nodes import Cell, Node
    from tare.reports.model import Language, ReportInput
    from tare.reports.summaries.run import Summary

_STYLES = {
    "better": "green",
    "worse": "bold red",
    "same": "",
    "undecided": "yellow",
    "warning": "yellow",
    "problem": "bold red",
    "muted": "dim",
    "": "",
}

_GAP = 2
"""Blanks between two columns of a table, and beside it."""
_MOST_OF_A_WORD = 24
"""Columns of a terminal that a long word of a text keeps; what is beyond continues on the next line."""


def render(given: ReportInput | Summary, *, stream: TextIO | None = None, language: Language = "en") -> str:
    """Render the summary for a stream: tables if it is a terminal, plain aligned lines if not, or without a stream.

    In a terminal ``NO_COLOR`` is honoured.
    """
    page = Page(summarised(given), words(language))
    nodes = [node for part in sections(page, SHORTEST) for node in part.body]
    console = _console(stream)
    if console is None:
        return "".join(f"{line}\n" for node in nodes for line in _plain(node))
    with console.capture() as captured:
        for node in nodes:
            _rich(console, node)
    return captured.get()


def _console(stream: TextIO | None) -> Console | None:
    """Make a console that renders for the stream; ``None`` if that is no terminal, or rich is not there."""
    if stream is None or not stream.isatty():
        return None
    try:
        from rich.console import Console  # noqa: PLC0415 - not loaded unless it is used
    except ImportError:
        return None
    return Console(file=stream, no_color="NO_COLOR" in os.environ, highlight=False)


def _cell(cell: Cell) -> str:
    return one_line(f"{cell.text} ({cell.detail})" if cell.detail and cell.text else cell.text or cell.detail)


def _plain(node: Node) -> Iterator[str]:
    match node:
        case Headline():
            yield from (one_line(sentence) for sentence in node.sentences)
            yield ""
        case Notice():
            yield one_line(f"{node.title}: {node.text}")
        case Bullets():
            if node.title:
                yield one_line(node.title)
            yield from (
                f"  {one_line((f'{i.label}: ' if i.label else '') + i.text + i.between.join(i.parts))}"
                for i in node.items
            )
        case Table():
            yield one_line(node.caption)
            lines = [[one_line(c) for c in node.columns], *([_cell(c) for c in row] for row in node.rows)]
            widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
            for line in lines:
                yield "  ".join(
                    " " * (w - width(t)) + t if i in node.numeric else t + " " * (w - width(t))
                    for i, (t, w) in enumerate(zip(line, widths, strict=True))
                ).rstrip()
            yield ""
        case Paragraph() | Picture() | Details() | Links():
            pass


def _rich(console: Console, node: Node) -> None:
    from rich.text import Text  # noqa: PLC0415

    if isinstance(node, Table):
        for at, part in enumerate(parts(node, console.width)):
            _rich_table(console, part, titled=at == 0)
            console.print()
    elif isinstance(node, Headline):
        for sentence in node.sentences:
            console.print(Text(one_line(sentence), style="bold"))
        console.print()
    elif isinstance(node, Notice):
        console.print(Text.assemble((f"{one_line(node.title)}. ", "bold yellow"), one_line(node.text)))
    else:
        for line in _plain(node):
            console.print(Text(line))


def _rich_table(console: Console, node: Table, *, titled: bool) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    title = Text(one_line(node.caption), style="bold") if titled else None
    made = RichTable(
        box=box.SIMPLE_HEAD, collapse_padding=True, show_edge=False, title=title, title_justify="left"
    )
    given = _widths(node, console.width)
    for at, column in enumerate(node.columns):
        made.add_column(
            Text(one_line(column)),
            justify="right" if at in node.numeric else "left",
            overflow="fold",
            no_wrap=bool(given) and _is_whole(node, at),
            # Rich counts the blank before the first column as a part of it.
            width=given[at] + (at == 0) if given else None,
        )
    for at, row in enumerate(node.rows):
        made.add_row(
            *(Text(_cell(cell), style=_STYLES[cell.kind]) for cell in row),
            end_section=at + 1 in node.breaks,
        )
    console.print(made)


def parts(node: Table, columns: int) -> list[Table]:
    """Divide a table that a terminal is too narrow for into several that fit, each with the columns that name its rows.

    Verdicts come first and what they judge next, so that a ratio and its verdict stand side by side. A table without numbers stays as it is:
    its texts can be wrapped.
    """
    room = [_least_width(node, at) + _GAP for at in range(len(node.columns))]
    if sum(room) <= columns or not node.numeric:
        return [node]
    names = list(range(min(node.numeric)))
    left = sorted(
        range(len(names), len(node.columns)), key=lambda at: (not _is_judged(node, at), at in node.numeric)
    )
    found = []
    while left:
        taken, used = [left[0]], sum(room[at] for at in names) + room[left[0]]
        for at in left[1:]:
            if used + room[at] <= columns:
                taken.append(at)
                used += room[at]
        found.append(_with(node, [*names, *sorted(taken)]))
        left = [at for at in left if at not in taken]
    return found


def _widths(node: Table, columns: int) -> list[int]:
    """Share the columns of a terminal among those of a table: the widest texts are wrapped first. Empty if it is too narrow."""
    least = [_least_width(node, at) for at in range(len(node.columns))]
    given = [max(map(width, map(one_line, told))) for told in _told(node)]
    free = [at for at in range(len(given)) if not _is_whole(node, at)]
    while sum(given) + _GAP * len(given) > columns:
        shrinkable = [at for at in free if given[at] > least[at]]
        if not shrinkable:
            return []
        given[max(shrinkable, key=given.__getitem__)] -= 1
    return [max(pair) for pair in zip(given, least, strict=True)]


def _told(node: Table) -> Iterator[tuple[str, ...]]:
    """Give the texts of each column, its head first where that is not wrapped before its numbers are."""
    for at, column in enumerate(node.columns):
        cells = tuple(_cell(row[at]) for row in node.rows)
        yield cells if _is_whole(node, at) and cells else (column, *cells)


def _with(node: Table, kept: Sequence[int]) -> Table:
    """Take some of a table's columns."""
    return replace(
        node,
        columns=tuple(node.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in node.rows),
        numeric=tuple(to for to, at in enumerate(kept) if at in node.numeric),
    )


def _is_whole(node: Table, at: int) -> bool:
    """Tell whether a column's cells stay whole: numbers, and runners, of which one without its "(tcg)" would be another."""
    return at in node.numeric or any(row[at].color for row in node.rows)


def _is_judged(node: Table, at: int) -> bool:
    return any(row[at].kind in ("better", "worse", "same", "undecided") for row in node.rows)


def _least_width(node: Table, at: int) -> int:
    """Count the columns of a terminal that a column takes at least: its head's longest word, and its cells or their longest words."""
    told = [_cell(row[at]) for row in node.rows]
    whole = _is_whole(node, at)
    words = [word for text in (one_line(node.columns[at]), *(() if whole else told)) for word in text.split()]
    least = min(max(map(width, words), default=0), _MOST_OF_A_WORD)
    return max(least, *map(width, told)) if whole and told else least
