"""Build the section on container engines: their own events of each start, and the CPU time of their daemons."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.results.record import LAUNCH_TIME

if TYPE_CHECKING:
    from tare.reports.content.page import Page

COLUMNS = (
    *("engine.create", "engine.start", "engine.stop", "engine.remove", "engine.return", "engine.settle"),
    *(LAUNCH_TIME, "engine.cpu"),
)
"""Metrics in the order of the table; those that no runner has are left out."""


def section(page: Page) -> Section | None:
    """Build a table with a row for each engine: medians over its cold starts. ``None`` if no engine was measured."""
    words = page.words
    if not any(name.startswith("engine.") for name in page.summary.metric_names):
        return None
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in page.summary.measured:
        if any(metric.name.startswith("engine.") for metric in trial.metrics):
            for metric in trial.metrics:
                if metric.name in COLUMNS:
                    found[trial.runner][metric.name].append(metric.value)
    if not found:
        return None
    columns = [name for name in COLUMNS if any(name in by for by in found.values())]
    runners = sorted(found, key=page.summary.display.rank)
    rows = [
        (
            cells.runner(page, runner, detail=words("figure.n", n=max(map(len, found[runner].values())))),
            *(_median(found[runner].get(name)) for name in columns),
        )
        for runner in runners
    ]
    table = Table(
        words("engines.caption"),
        (words("column.runner"), *(words(f"engines.{name.partition('.')[2]}") for name in columns)),
        tuple(rows),
        numeric=tuple(range(1, len(columns) + 1)),
        keys=tuple(f"{runner}|engines" for runner in runners),
    )
    return Section(
        "engines",
        words("engines.title"),
        (Paragraph(words("engines.intro")), table, Paragraph(words("engines.note"), kind="muted")),
    )


def _median(values: list[float] | None) -> Cell:
    return cells.quantity(statistics.median(values) if values else None, "s")
