"""The overhead and the start-up in the width of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import numbers
from reports.document import Cell, Node, Section, Table
from reports.summary import case_of

if TYPE_CHECKING:
    from reports.page import Page
    from results.comparison import Comparison, Estimate


def section(page: Page) -> Section | None:
    """What the page's tables say, without the second lines."""
    words, summary = page.words, page.summary
    body: list[Node] = []
    if summary.primary:
        rows, breaks, previous = [], [], None
        for comparison in summary.primary:
            case = case_of(comparison)
            if previous is not None and case != previous:
                breaks.append(len(rows))
            rows.append(_row(page, comparison, case.label))
            previous = case
        columns = ("workload", "runner", "median", "cost", "floor", "n", "verdict")
        names = tuple(words(f"overhead.{name}") for name in columns)
        caption = words("overhead.caption")
        body.append(Table(caption, names, tuple(rows), numeric=(2, 3, 4, 5), breaks=tuple(breaks)))
    for case, by_runner in summary.startup.items():
        starts = tuple(
            (
                Cell(runner),
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


def _row(page: Page, comparison: Comparison, label: str) -> tuple[Cell, ...]:
    given: Estimate = comparison.subject_value
    width = None if given.low is None or given.high is None else given.high - given.low
    return (
        Cell(label),
        Cell(comparison.runner),
        Cell(numbers.quantity(given.value, comparison.unit, width=width)),
        Cell(numbers.cost(comparison.cost), kind=comparison.verdict),
        Cell(numbers.DASH if comparison.floor is None else numbers.cost(comparison.floor), kind="muted"),
        Cell(str(comparison.cost.n)),
        Cell(page.words(f"verdict.{comparison.verdict}"), kind=comparison.verdict),
    )
