"""Build the overhead section: workload × runner, with intervals, noise floor, n and verdict."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.content.sections.notes import own
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.results.judgement.comparison import Comparison

NUMERIC = (2, 3, 4, 5, 6)


def section(page: Page) -> Section | None:
    """Build the figure and the table of the judged metrics, with all metrics folded; ``None`` without comparisons."""
    words, summary = page.words, page.summary
    if not summary.compared:
        return None
    body: list[Node] = [Paragraph(words("overhead.intro", base=page.base)), *page.picture("overhead")]
    body.append(_table(page, summary.primary, words("overhead.caption"), why=False))
    methods = "; ".join(sorted({c.cost.method for c in summary.primary}))
    unit = words("overhead.unit_blocks")
    body.append(Paragraph(words("overhead.method", method=methods, unit=unit), kind="muted"))
    if len(summary.compared) > len(summary.primary):
        every = _table(page, summary.compared, words("overhead.all_caption", base=page.base), why=True)
        body.append(Details(words("overhead.all", n=len(summary.compared)), (every,)))
    return Section("overhead", words("overhead.title"), tuple(body))


def _table(page: Page, found: Sequence[Comparison], caption: str, *, why: bool) -> Table:
    """Build one table; ``why`` puts the recorded reason of each verdict in the place of its threshold."""
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    keys, breaks = [], []
    for _group, group in groupby(found, key=lambda c: (case_of(c), c.metric)):
        breaks.append(len(rows))
        for index, comparison in enumerate(group):
            rows.append(_row(page, comparison, first=index == 0, why=why))
            keys.append(f"{case_of(comparison).label}|{comparison.runner}|{comparison.metric}")
    heads = (
        *(words(f"column.{name}") for name in ("workload", "runner", "median")),
        page.base,
        words("overhead.cost"),
        words("overhead.floor"),
        words("column.n"),
        words("overhead.verdict"),
    )
    return Table(caption, heads, tuple(rows), numeric=NUMERIC, keys=tuple(keys), breaks=tuple(breaks[1:]))


def _row(page: Page, comparison: Comparison, *, first: bool, why: bool) -> tuple[Cell, ...]:
    words = page.words
    noted = own(page, comparison)
    threshold = words("overhead.threshold", threshold=numbers.percent(comparison.threshold))
    remarks = [
        comparison.because.removesuffix(".") if why else threshold,
        words("overhead.noted", marks=noted) if noted else "",
    ]
    name = page.case_name(case_of(comparison))
    return (
        Cell(name if first else "", detail=comparison.metric if first else ""),
        cells.runner(page, comparison.runner),
        cells.estimate(comparison.subject_value, comparison.unit),
        cells.estimate(comparison.base_value, comparison.unit),
        cells.ratio(comparison.cost, comparison.verdict),
        cells.ratio(comparison.floor, "muted"),
        cells.count(comparison.cost.n),
        Cell(
            words(f"verdict.{comparison.verdict}"),
            detail="; ".join(filter(None, remarks)),
            kind=comparison.verdict,
            recorded=why,
        ),
    )
