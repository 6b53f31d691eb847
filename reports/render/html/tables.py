"""Write tables as HTML. They are most of a page, so this is plain Python: a template takes five times as long."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from tare.results.printable import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.reports.content.nodes import Cell, Table

_FORMS = {
    "matrix": ' class="matrix"',
    "costs": ' class="data costs"',
    "runs": ' class="data runs"',
    "changes": ' class="data changes"',
    "classes": ' class="data classes"',
}

_CARDS = frozenset({"matrix", "costs", "changes", "classes", "runs"})
"""Forms that a narrow page lays out as cards."""


class Tables:
    """Write the tables of one page, whose rows have ids that nothing else on it has."""

    def __init__(
        self,
        anchored: Callable[[str], str],
        goal: Callable[[str], str],
        explained: Mapping[str, str],
        *,
        english: bool,
    ) -> None:
        self._anchored = anchored
        """Gives the id of a row by its key, as an attribute; empty if the page has that id already."""
        self._goal = goal
        """Gives the id that a cell's link leads to."""
        self._explained = explained
        """Head of a column → what it means."""
        self._english = english
        """Whether texts of the record are in the page's language."""

    def write(self, node: Table) -> Markup:
        """Write a table in a region that scrolls where it is wider than the page.

        A narrow page lays a matrix, and costs, out as cards, so the roles of their parts have to be told; of other tables a
        browser knows them.
        """
        cards, matrix = node.form in _CARDS, node.form == "matrix"
        kind = _FORMS.get(node.form) or (' class="data"' if node.keys else "")
        heads = "".join(
            self._head(column, at in node.numeric, cards) for at, column in enumerate(node.columns)
        )
        rows = "".join(self._row(node, at) for at in range(len(node.rows)))
        # Every text is escaped where it is put in.
        return Markup(  # noqa: S704
            f'<div class="scroll{" matrix" if matrix else ""}" tabindex="0" role="region" '
            f'aria-label="{clean(node.caption)}">\n<table{_role("table", cards)}{kind}{groups(node)}>\n'
            f"<caption>{clean(node.caption)}</caption>\n"
            f"<thead{_role('rowgroup', cards)}><tr{_role('row', cards)}>{heads}</tr></thead>\n"
            f"<tbody{_role('rowgroup', cards)}>\n{rows}</tbody>\n</table>\n</div>\n"
        )

    def _head(self, column: str, numeric: bool, cards: bool) -> str:
        text = clean(column)
        if meaning := self._explained.get(column):
            text = f'<abbr title="{clean(meaning)}">{text}</abbr>'
        kind = ' class="number"' if numeric else ""
        return f'<th scope="col"{_role("columnheader", cards)}{kind}>{text}</th>'

    def _row(self, node: Table, at: int) -> str:
        kind = ' class="break"' if at in node.breaks else ""
        key = f'{self._anchored(node.keys[at])} data-key="{clean(node.keys[at])}"' if node.keys else ""
        cells = "".join(self._cell(node, column, cell) for column, cell in enumerate(node.rows[at]))
        return f"<tr{_role('row', node.form in _CARDS)}{kind}{key}>{cells}</tr>\n"

    def _cell(self, node: Table, column: int, cell: Cell) -> str:
        matrix, cards = node.form == "matrix", node.form in _CARDS
        numeric = "number" if column in node.numeric else ""
        kinds = " ".join(filter(None, (numeric, "runner" if cell.color else "", cell.kind)))
        attributes = [f' class="{kinds}"'] if kinds else []
        if column and (matrix or node.form == "runs"):
            attributes.append(f' data-label="{clean(node.columns[column])}"')
        if cell.hint:
            attributes.append(f' title="{clean(cell.hint)}"')
        for name, value in (("value", cell.value), ("low", cell.low), ("high", cell.high)):
            if value is not None:
                attributes.append(f' data-{name}="{value!r}"')
        if cell.recorded and not self._english:
            attributes.append(' lang="en"')
        told = "".join(attributes)
        if column:
            return f"<td{_role('cell', cards)}{told}>{self._text(cell)}</td>"
        return f'<th scope="row"{_role("rowheader", cards)}{told}>{self._text(cell)}</th>'

    def _text(self, cell: Cell) -> str:
        text = unbroken(breakable(clean(cell.text)))
        if cell.link:
            text = f'<a href="#{clean(self._goal(cell.link))}">{text}</a>'
        elif cell.target:
            text = f'<a href="{clean(cell.target)}">{text}</a>'
        language = f' lang="{clean(cell.detail_language)}"' if cell.detail_language else ""
        small = "".join(
            f"<small{told}>{unbroken(breakable(clean(line)))}</small>"
            for line, told in ((cell.detail, language), (cell.where, ""))
            if line
        )
        return f"{swatch(cell.color)}{text}{small}" if cell.color else f"{text}{small}"


def swatch(color: str) -> Markup:
    """Show a runner's colour before its name."""
    return Markup('<i class="swatch" style="color:{}"></i>').format(color)


def groups(node: Table) -> Markup:
    """Tell the script which rows belong together, as an attribute."""
    if not node.groups:
        return Markup()
    return Markup(' data-groups="{}"').format(json.dumps(node.groups, ensure_ascii=False))


DITTO = "\N{DITTO MARK}"
"""Mark of a sheet's cell that is like the one above."""


def sheet(node: Table) -> Markup:
    """Write a table as text with tabs between its columns; a cell's second line follows in brackets.

    A cell like the one above it is a ditto mark: half of all cells are, and the page is a third smaller.
    """
    rows = [
        [
            f"{cell.text} ({cell.detail})" if cell.text and cell.detail else cell.text or cell.detail
            for cell in row
        ]
        for row in node.rows
    ]
    texts = [[legible(" ".join(text.split())) for text in row] for row in [node.columns, *rows]]
    told = [texts[0]] + [
        [DITTO if cell == before and len(cell) > 3 else cell for cell, before in zip(row, above, strict=True)]
        for above, row in pairwise(texts)
    ]
    text = "".join("\t".join(row) + "\n" for row in told)
    # Between tags, quotes are letters like others, and there are many of them.
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704


_LONG = re.compile(r"\S{9,}")
"""Words that a column of a phone's width has no room for."""

_JOINTS = re.compile(
    r"(?<=\w[_/])(?=\S)|(?<=[A-Za-z][.:=,@])(?=\S)|(?<=[.:=,@])(?=[A-Za-z+])|(?<=\w)(?=\([a-z])"
)
"""Places at which a name may end a line: behind its joints, but not within a number. The script has the same rule."""


_LETTER = r"(?:&[a-z#0-9]+;|[^\s<>&])"
_ENDLESS, _PIECE = re.compile(_LETTER + "{40,}"), re.compile(_LETTER + "{6}(?=.)")
"""Names so long without a joint that no column has room for them, and where they may end a line: paper cannot be scrolled. The
script has the same rule."""


def breakable(text: str) -> str:
    """Let long names end a line at their joints, so that they are not broken inside their words. The text is HTML."""
    return _LONG.sub(lambda word: _ENDLESS.sub(_in_pieces, _JOINTS.sub("<wbr>", word[0])), text)


def _in_pieces(name: re.Match[str]) -> str:
    return _PIECE.sub(r"\g<0><wbr>", name[0])


_UNBROKEN = re.compile(r"(?<![\w-])(?:--?[A-Za-z][\w-]{0,28}|\d{4}-\d\d-\d\d|\d{8}-\d{6}-\w{4,5})(?![\w-])")
"""Options of commands, dates and runs: a browser would end lines at their hyphens."""

_TOGETHER = re.compile(r"(?<=\d) (?=(?:[nµm]?s|min|h|[KMGT]?i?B)\b)|(?<=\bn) (?== \d)|(?<=\bn =) (?=\d)")
"""Blanks within quantities of running text."""


def unbroken(text: str) -> str:
    """Keep options, dates and runs on one line. The text is HTML."""
    return _UNBROKEN.sub(r'<span class="unbroken">\g<0></span>', text) if "-" in text else text


def running(text: str) -> Markup:
    """Write running text, in which no line ends within an option, a date, a run or a quantity."""
    return Markup(unbroken(_TOGETHER.sub("\N{NO-BREAK SPACE}", clean(text))))  # noqa: S704 - escaped


def clean(text: str) -> str:
    """Escape a text for HTML, with control characters replaced, which HTML does not allow and a record may contain."""
    return str(escape(legible(text, kept="\n")))


def _role(name: str, told: bool) -> str:
    return f' role="{name}"' if told else ""
