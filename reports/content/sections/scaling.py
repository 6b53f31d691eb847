"""Build the section on scaling: what each further busy CPU of a place adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.summaries import scaling
from tare.reports.text import numbers

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section | None:
    """Build the figure and the table; ``None`` if scaling was not measured."""
    words, found = page.words, scaling.thread_scaling(page.summary)
    if not found:
        return None
    rows: list[tuple[Cell, ...]] = []
    breaks, keys = [], []
    for runner, steps in found.items():
        breaks.append(len(rows))
        for step in steps:
            keys.append(f"scale-{step.count}|{runner}|scaling.speedup")
            rows.append(
                (
                    cells.runner(page, runner),
                    cells.count(step.count),
                    cells.count(len(step.rates)),
                    cells.spread(step.rates, step.unit),
                    cells.spread(step.speedups, "ratio"),
                    Cell(numbers.percent(step.efficiency), value=step.efficiency),
                )
            )
    heads = (
        words("column.runner"),
        words("scaling.threads"),
        words("column.n"),
        *(words(f"scaling.{name}") for name in ("rate", "speedup", "efficiency")),
    )
    table = Table(
        words("scaling.caption"), heads, tuple(rows), numeric=tuple(range(1, 6)), keys=tuple(keys),
        breaks=tuple(breaks[1:]),
    )  # fmt: skip
    body: tuple[Node, ...] = (
        Paragraph(words("scaling.intro", base=page.base)),
        *page.picture("scaling"),
        table,
    )
    return Section("scaling", words("scaling.title"), body)
