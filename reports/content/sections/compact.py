"""The overhead and the start-up in the width of a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Node, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.results.judgement.comparison import Comparison
    from tare.results.statistics.estimates import Estimate


def section(page: Page) -> Section | None:
    """What the page's tables say, without the second lines."""
    words, summary = page.words, page.summary
    body: list[Node] = []
    if summary.primary:
        rows: list[tuple[Cell, ...]] = []
        breaks: list[int] = []
        for same in _groups(summary.primary):
            breaks.append(len(rows))
            rows += _base(page, same[0])
            rows += [_row(page, comparison) for comparison in same]
        heads = [words(f"overhead.{name}") for name in ("workload", "runner", "median", "cost", "n")]
        names = (*heads, words("overhead.verdict"))
        body.append(
            Table(words("overhead.caption"), names, tuple(rows), numeric=(2, 3, 4), breaks=tuple(breaks[1:]))
        )
    for case, by_runner in summary.startup.items():
        starts = tuple(
            (
                Cell(runner, color=runner_color(runner)),
                Cell(str(found.n)),
                Cell(numbers.quantity(found.inside, "s")),
                Cell(numbers.quantity(found.end_to_end, "s")),
            )
            for runner, found in by_runner.items()
        )
        names = tuple(words(f"startup.{name}") for name in ("runner", "n", "inside", "end_to_end"))
        caption = f"{words('startup.title')}: {case.label}"
        body.append(Table(caption, names, starts, numeric=(1, 2, 3)))
    return Section("compact", "", tuple(body)) if body else None


def _groups(found: Sequence[Comparison]) -> list[list[Comparison]]:
    return [list(same) for _case, same in groupby(found, key=case_of)]


def _row(page: Page, comparison: Comparison) -> tuple[Cell, ...]:
    return (
        Cell(case_of(comparison).label),
        Cell(comparison.runner, color=runner_color(comparison.runner)),
        _median(comparison.subject_value, comparison.unit),
        Cell(numbers.cost(comparison.cost), kind=comparison.verdict),
        Cell(str(comparison.cost.n)),
        Cell(page.words(f"short.{comparison.verdict}"), kind=comparison.verdict),
    )


def _base(page: Page, comparison: Comparison) -> list[tuple[Cell, ...]]:
    """The base in a row of its own; its ratio is that of two identical measurements, the noise floor."""
    floor = comparison.floor
    return [
        (
            Cell(case_of(comparison).label),
            Cell(comparison.base, color=runner_color(comparison.base)),
            _median(comparison.base_value, comparison.unit),
            Cell(numbers.DASH if floor is None else numbers.cost(floor), kind="muted"),
            Cell(numbers.DASH if floor is None else str(floor.n)),
            Cell("" if floor is None else page.words("short.floor"), kind="muted"),
        )
    ]


def _median(given: Estimate, unit: str) -> Cell:
    width = None if given.low is None or given.high is None else given.high - given.low
    return Cell(numbers.quantity(given.value, unit, width=width))
