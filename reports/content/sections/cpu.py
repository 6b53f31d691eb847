"""CPU time by vantage point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Paragraph, Section, Table
from tare.reports.plots.cpu import vantage_label
from tare.reports.plots.style import runner_color
from tare.reports.summaries.cpu import PARTS, bars
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section | None:
    """The figure, with its numbers folded."""
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    keys: list[str] = []
    breaks: list[int] = []
    views = {case: bars(page.summary, case) for case in page.summary.primary_values}
    used = {part for found in views.values() for bar in found for part in bar.parts}
    parts = [part for part in PARTS if part in used and part != "total"]
    for case, found in views.items():
        if found and rows:
            breaks.append(len(rows))
        for index, bar in enumerate(found):
            rows.append(
                (
                    Cell(case.label if index == 0 else ""),
                    Cell(bar.runner, color=runner_color(bar.runner)),
                    Cell(vantage_label(bar.vantage, words)),
                    *(
                        Cell(numbers.quantity(bar.parts[part], "s"), value=bar.parts[part])
                        if part in bar.parts
                        else Cell(DASH)
                        for part in parts
                    ),
                    Cell(numbers.quantity(sum(bar.parts.values()), "s"), value=sum(bar.parts.values())),
                )
            )
            keys.append(f"{case.label}|{bar.runner}|{bar.vantage}")
    if not rows:
        return None
    columns = (
        words("overhead.workload"),
        words("overhead.runner"),
        *(words(f"cpu.{name}") for name in ("vantage", *parts, "total")),
    )
    table = Table(
        words("cpu.caption"),
        columns,
        tuple(rows),
        numeric=tuple(range(3, len(columns))),
        keys=tuple(keys),
        breaks=tuple(breaks),
    )
    return Section(
        "cpu",
        words("cpu.title"),
        (Paragraph(words("cpu.intro")), *page.picture("cpu"), Details(words("cpu.caption"), (table,))),
    )
