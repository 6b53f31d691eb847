"""The overhead table: workload × runner, with intervals, noise floor, n and verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.content.sections.notes import own
from tare.reports.plots.style import runner_color
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.results.judgement.comparison import Comparison
    from tare.results.statistics.estimates import Estimate

NUMERIC = (2, 3, 4, 5, 6)


def section(page: Page) -> Section | None:
    """The judged metrics in full, the others folded."""
    words, summary = page.words, page.summary
    if not summary.compared:
        return None
    body: list[Node] = [Paragraph(words("overhead.intro", base=page.base)), *page.picture("overhead")]
    body.append(_table(page, summary.primary, words("overhead.caption"), why=False))
    methods = "; ".join(sorted({c.cost.method for c in summary.primary}))
    unit = words("overhead.unit_blocks")
    body.append(Paragraph(words("overhead.method", method=methods, unit=unit), kind="muted"))
    if summary.secondary:
        every = _table(page, summary.compared, words("overhead.all_caption", base=page.base), why=True)
        body.append(Details(words("overhead.all", n=len(summary.compared)), (every,)))
    return Section("overhead", words("overhead.title"), tuple(body))


def _table(page: Page, found: Sequence[Comparison], caption: str, *, why: bool) -> Table:
    """``why``: with the reason of each verdict, as it was recorded, in place of the threshold."""
    words = page.words
    rows, keys, breaks, previous = [], [], [], None
    for comparison in found:
        group = (case_of(comparison), comparison.metric)
        if previous is not None and group != previous:
            breaks.append(len(rows))
        rows.append(_row(page, comparison, first=group != previous, why=why))
        keys.append(f"{case_of(comparison).label}|{comparison.runner}|{comparison.metric}")
        previous = group
    columns = ("workload", "runner", "median", "base_median", "cost", "floor", "n", "verdict")
    return Table(
        caption,
        tuple(words(f"overhead.{name}", base=page.base) for name in columns),
        tuple(rows),
        numeric=NUMERIC,
        keys=tuple(keys),
        breaks=tuple(breaks),
    )


def _row(page: Page, comparison: Comparison, *, first: bool, why: bool) -> tuple[Cell, ...]:
    words = page.words
    label = case_of(comparison).label
    noted = own(page, comparison)
    verdict = words(f"verdict.{comparison.verdict}")
    threshold = words("overhead.threshold", threshold=numbers.percent(comparison.threshold))
    remarks = [
        comparison.because.removesuffix(".") if why else threshold,
        words("overhead.noted", marks=noted) if noted else "",
    ]
    floor = comparison.floor
    return (
        Cell(label if first else "", detail=comparison.metric if first else ""),
        Cell(comparison.runner, color=runner_color(comparison.runner)),
        _amount(comparison.subject_value, comparison.unit),
        _amount(comparison.base_value, comparison.unit),
        Cell(
            numbers.ratio(comparison.cost.value, width=_width(comparison.cost)),
            detail=_ends(comparison.cost, "ratio"),
            value=comparison.cost.value,
            low=comparison.cost.low,
            high=comparison.cost.high,
            kind=comparison.verdict,
        ),
        Cell(DASH)
        if floor is None
        else Cell(
            numbers.ratio(floor.value, width=_width(floor)),
            detail=_ends(floor, "ratio"),
            value=floor.value,
            low=floor.low,
            high=floor.high,
            kind="muted",
        ),
        Cell(str(comparison.cost.n), value=comparison.cost.n),
        Cell(verdict, detail="; ".join(filter(None, remarks)), kind=comparison.verdict, recorded=why),
    )


def _amount(given: Estimate, unit: str) -> Cell:
    return Cell(
        numbers.quantity(given.value, unit, width=_width(given)),
        detail=_ends(given, unit),
        value=given.value,
        low=given.low,
        high=given.high,
    )


def _ends(given: Estimate, unit: str) -> str:
    if given.low is None or given.high is None:
        return ""
    return numbers.span(given.low, given.high, unit, like=given.value)


def _width(given: Estimate) -> float | None:
    return None if given.low is None or given.high is None else given.high - given.low
