"""The harness's own weight: null jobs, and what collectors cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from reports import numbers
from reports.document import Cell, Details, Node, Paragraph, Section, Table
from reports.plots.style import runner_color
from reports.summary import rank, series_name

if TYPE_CHECKING:
    from reports.page import Page

OWN = "collector"
"""Metrics ``collector.<name>.seconds`` and ``collector.<name>.cpu`` say what a collector cost a trial."""

NULL_FAMILY = "null"


def section(page: Page) -> Section:
    """Medians; nothing here is subtracted anywhere."""
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    keys: list[str] = []
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
    each, whole = _collectors(page)
    for (name, runner), found in sorted(whole.items(), key=lambda pair: (pair[0][0], rank(pair[0][1]))):
        rows.append(_row(words(f"weight.{name}"), runner, found))
        keys.append(f"{name}|{runner}|own")
    if not rows:
        return Section("weight", words("weight.title"), (Paragraph(words("weight.none")),))
    columns = tuple(words(f"weight.{c}") for c in ("what", "runner", "median"))
    table = Table(words("weight.caption"), columns, tuple(rows), numeric=(2,), keys=tuple(keys))
    body: list[Node] = [Paragraph(words("weight.intro")), table]
    if each:
        ordered = sorted(each.items(), key=lambda pair: (pair[0][0], rank(pair[0][1])))
        listed = tuple(_row(name, runner, found) for (name, runner), found in ordered)
        names = tuple(f"{name}|{runner}|own" for (name, runner), _ in ordered)
        inner = Table(words("weight.each"), columns, listed, numeric=(2,), keys=names)
        body.append(Details(words("weight.each"), (inner,)))
    return Section("weight", words("weight.title"), tuple(body))


Costs = dict[tuple[str, str], list[float]]
"""(what, runner) → seconds in each trial."""


def _collectors(page: Page) -> tuple[Costs, Costs]:
    """What each collector cost, and all of a trial's together."""
    each: Costs = defaultdict(list)
    whole: Costs = defaultdict(list)
    for trial in page.summary.measured:
        sums: dict[str, float] = defaultdict(float)
        for metric in trial.metrics:
            first, _dot, rest = metric.name.partition(".")
            if first == OWN:
                each[metric.name, series_name(trial)].append(metric.value)
                sums["cpu" if rest.endswith(".cpu") else "wall"] += metric.value
        for name, seconds in sums.items():
            whole[name, series_name(trial)].append(seconds)
    return each, whole


def _row(what: str, runner: str, seconds: list[float]) -> tuple[Cell, ...]:
    median = statistics.median(seconds)
    return (
        Cell(what),
        Cell(runner, color=runner_color(runner)),
        Cell(numbers.quantity(median, "s"), value=median),
    )
