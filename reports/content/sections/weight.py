"""Build the section on measurement overhead: null jobs, and what collectors cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.summaries.names import NULL
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from tare.reports.content.page import Page

OWN = "collector."
"""Beginning of the metrics ``collector.<name>.seconds`` and ``collector.<name>.cpu``: what a collector cost a trial."""

Costs = dict[tuple[str, str], list[float]]
"""(cost, runner) → seconds in each trial."""


def section(page: Page) -> Section:
    """Build a table of medians with a row for each runner, each collector's own costs folded below it."""
    words = page.words
    each, whole = _collectors(page)
    columns: dict[str, dict[str, tuple[float, str]]] = {
        words("weight.null", case=page.spoken_case(case)): {
            runner: (found.median, found.unit) for runner, found in by_runner.items() if runner != CONTROL
        }
        for case, by_runner in page.summary.primary_values.items()
        if case.workload.partition("-")[0] == NULL
    }
    for (name, runner), seconds in sorted(whole.items()):
        columns.setdefault(words(f"weight.{name}"), {})[runner] = (statistics.median(seconds), "s")
    rank = page.summary.display.rank
    runners = sorted({runner for found in columns.values() for runner in found}, key=rank)
    if not runners:
        return Section("weight", words("weight.title"), (Paragraph(words("weight.none")),))
    rows = tuple(
        (cells.runner(page, runner), *(_cell(found.get(runner)) for found in columns.values()))
        for runner in runners
    )
    heads = (words("column.runner"), *columns)
    numeric, keys = tuple(range(1, len(heads))), tuple(f"{one}|own" for one in runners)
    table = Table(words("weight.caption"), heads, rows, numeric=numeric, keys=keys)
    body: list[Node] = [Paragraph(words("weight.intro")), table]
    if each:
        body.append(Details(words("weight.each"), (_each(page, each),)))
    return Section("weight", words("weight.title"), tuple(body))


def _each(page: Page, each: Costs) -> Table:
    words, rank = page.words, page.summary.display.rank
    ordered = sorted(each.items(), key=lambda pair: (pair[0][0], rank(pair[0][1])))
    rows = tuple(
        (Cell(name), cells.runner(page, runner), cells.quantity(statistics.median(seconds), "s"))
        for (name, runner), seconds in ordered
    )
    heads = (words("weight.what"), words("column.runner"), words("column.median"))
    keys = tuple(f"{name}|{runner}|own" for (name, runner), _ in ordered)
    return Table(words("weight.each"), heads, rows, numeric=(2,), keys=keys)


def _cell(found: tuple[float, str] | None) -> Cell:
    return cells.quantity(*found) if found else cells.quantity(None, "")


def _collectors(page: Page) -> tuple[Costs, Costs]:
    """Collect the costs of each collector, and those of all collectors of a trial together."""
    each: Costs = defaultdict(list)
    whole: Costs = defaultdict(list)
    for trial in page.summary.measured:
        if trial.control:
            continue
        sums: dict[str, float] = defaultdict(float)
        for metric in trial.metrics:
            if metric.name.startswith(OWN):
                each[metric.name, trial.runner].append(metric.value)
                sums["cpu" if metric.name.endswith(".cpu") else "wall"] += metric.value
        for name, seconds in sums.items():
            whole[name, trial.runner].append(seconds)
    return each, whole
