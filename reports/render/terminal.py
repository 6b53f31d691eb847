"""Render the summary for a terminal, or as plain lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from tare.reports.content.nodes import Bullets, Details, Headline, Links, Notice, Paragraph, Picture, Table
from tare.reports.content.page import Page
from tare.reports.content.sections import SHORTEST, sections
from tare.reports.summaries.run import summarised
from tare.reports.text.columns import width
from tare.reports.text.words import words
from tare.results.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from rich import box  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if isinstance(node, Table):
        title = Text(one_line(node.caption), style="bold")
        made = RichTable(
            box=box.SIMPLE_HEAD, collapse_padding=True, show_edge=False, title=title, title_justify="left"
        )
        for i, column in enumerate(node.columns):
            # Numbers and runners stay whole: one without its "(tcg)" would be another runner.
            whole = i in node.numeric or any(row[i].color for row in node.rows)
            made.add_column(
                Text(one_line(column)),
                justify="right" if i in node.numeric else "left",
                overflow="fold",
                no_wrap=whole,
                min_width=max(width(_cell(row[i])) for row in node.rows) if whole and node.rows else None,
            )
        for i, row in enumerate(node.rows):
            made.add_row(
                *(Text(_cell(cell), style=_STYLES[cell.kind]) for cell in row),
                end_section=i + 1 in node.breaks,
            )
        console.print(made)
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
