"""Build the section on CPU time by vantage point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.summaries.cpu import INSIDE, PARTS, Bar, bars, vantage_name
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey


def section(page: Page) -> Section | None:
    """Build the figure with its numbers folded below it; ``None`` if no CPU time was recorded."""
    words = page.words
    views = {case: bars(page.summary, case) for case in page.summary.primary_values}
    used = {part for found in views.values() for bar in found for part in bar.parts}
    parts = [part for part in PARTS if part in used and part != "total"]
    rows: list[tuple[Cell, ...]] = []
    for case, found in views.items():
        rows += [_row(page, Cell(page.case_name(case)), bar, parts) for bar in found]
    if not rows:
        return None
    columns = (
        words("column.workload"),
        words("column.runner"),
        *(words(f"cpu.{name}") for name in ("vantage", *parts, "total")),
    )
    table = Table(
        words("cpu.caption"),
        columns,
        tuple(rows),
        numeric=tuple(range(3, len(columns))),
        form="sheet",
    )
    folded = Details(words("cpu.caption"), (table,))
    body = (Paragraph(words("cpu.intro")), *_more_inside(page, views), *page.picture("cpu"), folded)
    return Section("cpu", words("cpu.title"), body)


def _more_inside(page: Page, views: Mapping[CaseKey, Sequence[Bar]]) -> tuple[Node, ...]:
    """Explain, where it happens, how a guest can count more CPU time than the host gave it; nothing elsewhere."""
    for found in views.values():
        whole = {(bar.runner, bar.vantage): sum(bar.parts.values()) for bar in found}
        for (runner, vantage), inside in whole.items():
            outside = whole.get((runner, "vmm.cpu"))
            if vantage == INSIDE and outside is not None and inside > outside:
                text = page.words(
                    "cpu.more_inside",
                    runner=runner,
                    inside=numbers.quantity(inside, "s"),
                    outside=numbers.quantity(outside, "s"),
                )
                return (Paragraph(text, kind="muted"),)
    return ()


def _row(page: Page, case: Cell, bar: Bar, parts: Sequence[str]) -> tuple[Cell, ...]:
    return (
        case,
        cells.runner(page, bar.runner),
        Cell(vantage_name(bar.vantage, page.words)),
        *(cells.quantity(bar.parts.get(part), "s") for part in parts),
        cells.quantity(sum(bar.parts.values()), "s"),
    )
