"""The harness's own weight: null jobs, and what collectors cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from reports import numbers
from reports.document import Cell, Paragraph, Section, Table
from reports.plots.style import runner_color
from reports.summary import rank, series_name

if TYPE_CHECKING:
    from reports.page import Page

OWN = ("collector", "collectors", "harness", "agent")
"""First parts of the names of metrics that say what measuring cost."""

NULL_FAMILY = "null"


def section(page: Page) -> Section:
    """Medians; nothing here is subtracted anywhere."""
    words = page.words
    rows, keys = [], []
    for case, by_runner in page.summary.series.items():
        if case.workload.partition("-")[0] != NULL_FAMILY:
            continue
        for runner, series in by_runner.items():
            rows.append(
                (
                    Cell(words("weight.null", case=case.label)),
                    Cell(runner, color=runner_color(runner)),
                    Cell(numbers.quantity(series.median, series.unit), value=series.median),
                )
            )
            keys.append(f"{case.label}|{runner}|null")
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for trial in page.summary.measured:
        for metric in trial.metrics:
            if metric.name.partition(".")[0] in OWN:
                values[metric.name, series_name(trial), metric.unit].append(metric.value)
    for (name, runner, unit), found in sorted(
        values.items(), key=lambda pair: (pair[0][0], rank(pair[0][1]))
    ):
        median = statistics.median(found)
        rows.append(
            (
                Cell(name),
                Cell(runner, color=runner_color(runner)),
                Cell(numbers.quantity(median, unit), value=median),
            )
        )
        keys.append(f"{name}|{runner}|own")
    if not rows:
        return Section("weight", words("weight.title"), (Paragraph(words("weight.none")),))
    columns = tuple(words(f"weight.{c}") for c in ("what", "runner", "median"))
    table = Table(words("weight.caption"), columns, tuple(rows), numeric=(2,), keys=tuple(keys))
    return Section("weight", words("weight.title"), (Paragraph(words("weight.intro")), table))
