"""What each further busy CPU of a place adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries import scaling
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page


def section(page: Page) -> Section | None:
    """Figure and table; nothing where it was not measured."""
    words, found = page.words, scaling.points(page.summary.measured)
    if not found:
        return None
    rows: list[tuple[Cell, ...]] = []
    breaks, keys = [], []
    for runner, points in found.items():
        breaks.append(len(rows))
        for point in points:
            keys.append(f"scale-{point.count}|{runner}|scaling.speedup")
            rows.append(
                (
                    Cell(runner, color=runner_color(runner)),
                    Cell(str(point.count), value=point.count),
                    Cell(str(len(point.rates)), value=len(point.rates)),
                    _spread(point.rate, point.rates, point.unit),
                    _spread(point.speedup, point.speedups, "ratio"),
                    Cell(numbers.percent(point.efficiency), value=point.efficiency),
                )
            )
    heads = tuple(
        words(f"scaling.{name}") for name in ("runner", "threads", "n", "rate", "speedup", "efficiency")
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


def _spread(median: float, values: Sequence[float], unit: str) -> Cell:
    """And below it the least and the most of the trials."""
    low, high = min(values), max(values)
    detail = f"{numbers.quantity(low, unit)} – {numbers.quantity(high, unit)}" if len(values) > 1 else ""
    return Cell(numbers.quantity(median, unit), detail=detail, value=median, low=low, high=high)
