"""Build the section on many places at once: simultaneous starts, and idle places under a memory budget."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.content.sections.startup import p99
from tare.reports.summaries import crowd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.crowd import Ramp, Starts

MEMORY = (
    "density.pss",
    "density.cgroups",
    "density.attendants",
    "density.host",
    "density.daemons.idle",
    "density.daemons",
)
"""Metrics of memory per place, in the order of the table; those that no runner has are left out."""


def section(page: Page) -> Section | None:
    """Build the figures and tables; ``None`` if neither was measured."""
    words = page.words
    starts, ramps = crowd.starts(page.summary), crowd.ramps(page.summary)
    body: list[Node] = []
    if starts:
        body += [Paragraph(words("crowd.starts_intro")), *page.picture("starts"), _starts(page, starts)]
        body.append(Paragraph(words("crowd.ceiling", base=page.base), kind="muted"))
    if ramps:
        body += [Paragraph(words("crowd.density_intro")), *page.picture("density"), _density(page, ramps)]
        body.append(Paragraph(words("crowd.density_note"), kind="muted"))
    return Section("crowd", words("crowd.title"), tuple(body)) if body else None


def _starts(page: Page, found: Mapping[str, Sequence[Starts]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    breaks, keys = [], []
    for runner, points in found.items():
        breaks.append(len(rows))
        for point in points:
            keys.append(f"starts-{point.count}|{runner}|starts.latency")
            rows.append(_start(page, runner, point))
    words = page.words
    heads = (
        words("column.runner"),
        words("crowd.at_once"),
        *(words(f"column.{name}") for name in ("n", "p50", "p99", "slowest")),
        *(words(f"crowd.{name}") for name in ("rate", "harness")),
    )
    return Table(
        words("crowd.starts_caption"), heads, tuple(rows), numeric=tuple(range(1, 8)), keys=tuple(keys),
        breaks=tuple(breaks[1:]),
    )  # fmt: skip


def _start(page: Page, runner: str, point: Starts) -> tuple[Cell, ...]:
    return (
        cells.runner(page, runner),
        cells.count(point.count),
        cells.count(len(point.latencies), detail=page.words("crowd.trials", n=len(point.rates))),
        cells.quantity(point.median, "s"),
        p99(page, point.latencies),
        cells.quantity(point.latencies[-1], "s"),
        cells.spread(point.rates, "count"),
        cells.quantity(statistics.median(point.spreads), "s"),
    )


def _density(page: Page, found: Mapping[str, Sequence[Ramp]]) -> Table:
    words = page.words
    shown = [
        name for name in MEMORY if any(name in ramp.metrics for ramps in found.values() for ramp in ramps)
    ]
    rows = []
    for runner, ramps in found.items():
        rows.append(
            (
                cells.runner(page, runner, detail=words("crowd.trials", n=len(ramps))),
                Cell(
                    _extent([len(ramp.details.start_seconds) for ramp in ramps]),
                    detail=page.recorded(ramps[-1].details.stopped),
                    recorded=True,
                ),
                *(cells.spread(_values(ramps, name), "bytes") for name in shown),
                *(
                    cells.spread(_values(ramps, name), "s")
                    for name in ("density.start.first_quarter", "density.start.last_quarter")
                ),
            )
        )
    names = ("places", *(name.replace("density.", "").replace(".", "_") for name in shown))
    heads = (
        words("column.runner"),
        *(words(f"crowd.{name}") for name in (*names, "first_quarter", "last_quarter")),
    )
    return Table(
        words("crowd.density_caption"), heads, tuple(rows), numeric=tuple(range(2, len(heads))),
        keys=tuple(f"density|{runner}|density.pss" for runner in found),
    )  # fmt: skip


def _values(ramps: Sequence[Ramp], name: str) -> list[float]:
    return [ramp.metrics[name] for ramp in ramps if name in ramp.metrics]


def _extent(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"
