"""What engines say of the starts they made, by their own events, and what their daemons spent on them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.runners import rank, series_name
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page

COLUMNS = (
    *("engine.create", "engine.start", "engine.stop", "engine.remove", "engine.return", "engine.settle"),
    *("launch.total", "engine.cpu"),
)
"""Metrics, in the order of the table; those that no runner has are left out."""


def section(page: Page) -> Section | None:
    """One row for each engine's runner, medians over its cold starts."""
    words = page.words
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in page.summary.measured:
        values = {metric.name: metric.value for metric in trial.metrics}
        if any(name.startswith("engine.") for name in values):
            for name in COLUMNS:
                if name in values:
                    found[series_name(trial)][name].append(values[name])
    if not found:
        return None
    columns = [name for name in COLUMNS if any(name in by for by in found.values())]
    rows = [
        (
            Cell(
                runner,
                detail=words("figure.n", n=max(map(len, found[runner].values()))),
                color=runner_color(runner),
            ),
            *(_median(found[runner].get(name)) for name in columns),
        )
        for runner in sorted(found, key=rank)
    ]
    table = Table(
        words("engines.caption"),
        (words("engines.runner"), *(words(f"engines.{name.partition('.')[2]}") for name in columns)),
        tuple(rows),
        numeric=tuple(range(1, len(columns) + 1)),
        keys=tuple(f"{runner}|engines" for runner in sorted(found, key=rank)),
    )
    return Section(
        "engines",
        words("engines.title"),
        (Paragraph(words("engines.intro")), table, Paragraph(words("engines.note"), kind="muted")),
    )


def _median(values: list[float] | None) -> Cell:
    if not values:
        return Cell(DASH)
    median = statistics.median(values)
    return Cell(numbers.quantity(median, "s"), value=median)
