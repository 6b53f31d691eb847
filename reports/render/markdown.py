"""Render the summary in GitHub-flavoured Markdown, for step summaries and pull requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.reports.content.nodes import (
    Bullets,
    Charts,
    Details,
    Headline,
    Links,
    Notice,
    Paragraph,
    Picture,
    Section,
    Table,
)
from tare.reports.content.sections import BRIEF, sections
from tare.reports.text.repeated import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tare.reports.content.nodes import Cell, Node
    from tare.reports.content.page import Page

_SPECIAL = re.compile(r"([\\`*_\[\]|~#@])")


def render(page: Page) -> str:
    """Render the summary; figures and folded parts are left to the page."""
    words, manifest = page.words, page.summary.given.manifest
    title = words("page.title", name=manifest.name or manifest.run)
    mode = named("mode", manifest.mode, words)
    made = words("page.made", run=manifest.run, started=page.started, mode=mode, seed=manifest.seed)
    return render_sections(title, made, sections(page, BRIEF))


def render_sections(title: str, facts: str, parts: Iterable[Section]) -> str:
    """Render a title, one line of facts, and sections without their charts and pictures."""
    lines = [f"# {escape(title)}", "", escape(facts), ""]
    for part in parts:
        lines += _section(part)
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Escape text for Markdown and HTML, on one line; an ``@name`` in it notifies nobody."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield from (f"## {escape(section.title)}", "")
    for node in section.body:
        yield from _node(node)


def _node(node: Node) -> Iterator[str]:
    match node:
        case Headline():
            yield from (f"**{' '.join(map(escape, node.sentences))}**", "")
        case Paragraph():
            yield from (escape(node.text), "")
        case Notice():
            alert = "CAUTION" if node.kind == "problem" else "WARNING"
            yield from (f"> [!{alert}]", f"> **{escape(node.title)}.** {escape(node.text)}", "")
        case Bullets():
            if node.title:
                yield from (f"**{escape(node.title)}**", "")
            for item in node.items:
                label = f"**{escape(item.label)}:** " if item.label else ""
                yield f"- {label}{escape(item.text + item.between.join(item.parts))}"
            yield ""
        case Table():
            yield from _table(node)
        case Links():
            yield from (f"- [{escape(link.text)}](<{link.target}>)" for link in node.items)
            yield ""
        case Picture() | Charts() | Details():
            pass


def _table(table: Table) -> Iterator[str]:
    yield from (f"**{escape(table.caption)}**", "")
    yield _row(escape(column) for column in table.columns)
    yield _row("---:" if i in table.numeric else "---" for i in range(len(table.columns)))
    for row in table.rows:
        yield _row(_cell(cell) for cell in row)
    yield ""


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.kind in ("worse", "better", "problem") and text:
        text = f"**{text}**"
    return "<br>".join([text, *(f"<sub>{escape(line)}</sub>" for line in (cell.detail, cell.where) if line)])


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
