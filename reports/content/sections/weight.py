"""The harness's own weight: null jobs, and what collectors cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.runners import rank, series_name
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page

OWN = "collector"
"""Metrics ``collector.<name>.seconds`` and ``collector.<name>.cpu`` say what a collector cost a trial."""

NULL_FAMILY = "null"


def section(page: Page) -> Section:
    """Medians, a row for each runner; nothing here is subtracted anywhere."""
    words = page.words
    each, whole = _collectors(page)
    columns: dict[str, dict[str, tuple[float, str]]] = {
        words("weight.null", case=case.label): {
            runner: (series.median, series.unit) for runner, series in by_runner.items()
        }
        for case, by_runner in page.summary.primary_values.items()
        if case.workload.partition("-")[0] == NULL_FAMILY
    }
    for (name, runner), seconds in sorted(whole.items()):
        columns.setdefault(words(f"weight.{name}"), {})[runner] = (statistics.median(seconds), "s")
    runners = sorted({runner for found in columns.values() for runner in found}, key=rank)
    if not runners:
        return Section("weight", words("weight.title"), (Paragraph(words("weight.none")),))
    rows = tuple(
        (Cell(runner, color=runner_color(runner)), *(_cell(found.get(runner)) for found in columns.values()))
        for runner in runners
    )
    heads = (words("weight.runner"), *columns)
    numeric = tuple(range(1, len(heads)))
    table = Table(
        words("weight.caption"), heads, rows, numeric=numeric, keys=tuple(f"{one}|own" for one in runners)
    )
    body: list[Node] = [Paragraph(words("weight.intro")), table]
    if each:
        ordered = sorted(each.items(), key=lambda pair: (pair[0][0], rank(pair[0][1])))
        listed = tuple(
            (Cell(name), Cell(runner, color=runner_color(runner)), _cell((statistics.median(seconds), "s")))
            for (name, runner), seconds in ordered
        )
        names = tuple(f"{name}|{runner}|own" for (name, runner), _ in ordered)
        heads = tuple(words(f"weight.{c}") for c in ("what", "runner", "median"))
        inner = Table(words("weight.each"), heads, listed, numeric=(2,), keys=names)
        body.append(Details(words("weight.each"), (inner,)))
    return Section("weight", words("weight.title"), tuple(body))


def _cell(found: tuple[float, str] | None) -> Cell:
    return Cell(DASH) if found is None else Cell(numbers.quantity(*found), value=found[0])


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
