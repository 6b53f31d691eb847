"""Build the section on one application in three shapes: what it takes, what a hop costs, and replacing a service."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Paragraph, Section, Table

if TYPE_CHECKING:
    from tare.reports.content.page import Page
    from tare.results.record import Trial

METRICS = (
    *("app.max.rate", "app.load.p50", "app.load.p99"),
    *("services.hop", "services.replica", "services.replace", "services.replace.failed"),
)
"""Metrics in the order of their columns."""


def section(page: Page) -> Section | None:
    """Build the table of shapes and runners; ``None`` if the application was not measured."""
    words = page.words
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in page.summary.measured:
        if trial.family == "services" and not trial.control:
            groups[trial.workload, trial.runner].append(trial)
    if not groups:
        return None
    ordered = sorted(groups, key=lambda key: (key[0], page.summary.display.rank(key[1])))
    rows, keys, breaks = [], [], []
    for number, (workload, runner) in enumerate(ordered):
        if number and workload != ordered[number - 1][0]:
            breaks.append(number)
        trials = groups[workload, runner]
        keys.append(f"{workload}|{runner}|services")
        rows.append(
            (
                Cell(workload),
                cells.runner(page, runner),
                cells.count(len(trials)),
                *(_spread(trials, metric) for metric in METRICS),
            )
        )
    heads = (
        words("services.shape"),
        words("column.runner"),
        words("column.n"),
        *(
            words(f"services.{name}")
            for name in ("rate", "p50", "p99", "hop", "replica", "replace", "failed")
        ),
    )
    table = Table(
        words("services.caption"), heads, tuple(rows), numeric=tuple(range(2, len(heads))), keys=tuple(keys),
        breaks=tuple(breaks),
    )  # fmt: skip
    return Section("services", words("services.title"), (Paragraph(words("services.intro")), table))


def _spread(trials: list[Trial], name: str) -> Cell:
    found = [one for trial in trials for one in trial.metrics if one.name == name]
    return cells.spread([one.value for one in found], found[0].unit if found else "")
