"""Build the overhead and start-up tables in a form that fits a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Item, Node, Paragraph, Section, Table
from tare.reports.content.sections.findings import priced
from tare.reports.content.sections.overhead import unlike_quotient
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers
from tare.reports.text.answers import headline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.startup import Phases
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison
    from tare.results.statistics.estimates import Estimate


def section(page: Page) -> Section | None:
    """Build the tables without the second lines of their cells; ``None`` if nothing was compared or launched."""
    body: list[Node] = []
    if page.summary.primary:
        body.append(_overhead(page))
        body.append(_decided(page))
    body += [_startup(page, case, dict(by_runner)) for case, by_runner in page.summary.startup.items()]
    return Section("compact", "", tuple(body)) if body else None


def _decided(page: Page) -> Bullets:
    """Explain the table, count what is decided under each runner, and tell what the rest would cost."""
    items = [*_remarks(page)]
    for runner in sorted({row.time.runner for row in page.summary.answers}, key=page.summary.display.rank):
        rows = [row for row in page.summary.answers if row.time.runner == runner]
        items.append(Item(headline(rows, page.words), label=runner))
    items += [Item(node.text) for node in priced(page) if isinstance(node, Paragraph)]
    return Bullets(tuple(items))


def _remarks(page: Page) -> Iterator[Item]:
    """Explain what looks false in the table: the base's own ratio, and ratios unlike the quotients of the medians."""
    words, rows = page.words, page.summary.answers
    if any(row.time.floor is not None for row in rows):
        yield Item(words("short.noise_means", base=page.base))
    unlike = [row.time for row in rows if unlike_quotient(row.time) is not None]
    if unlike:
        told = (
            words("overhead.of_runner", case=page.spoken_case(case_of(one)), runner=one.runner)
            for one in unlike
        )
        yield Item(words("overhead.quotients", cases=", ".join(told)))


def _overhead(page: Page) -> Table:
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    breaks: list[int] = []
    for _case, group in groupby(page.summary.answers, key=lambda row: case_of(row.time)):
        compared = list(group)
        breaks.append(len(rows))
        rows.append(_base(page, compared[0].time))
        rows += [_row(page, row) for row in compared]
    heads = tuple(
        words(key)
        for key in (
            "column.workload",
            "column.runner",
            "column.median",
            "overhead.cost",
            "short.cpu",
            "column.n",
            "overhead.verdict",
        )
    )
    return Table(
        words("overhead.caption"), heads, tuple(rows), numeric=(2, 3, 4, 5), breaks=tuple(breaks[1:])
    )


def _row(page: Page, row: Answers) -> tuple[Cell, ...]:
    comparison = row.time
    return (
        Cell(page.case_name(case_of(comparison))),
        cells.runner(page, comparison.runner),
        _median(comparison.subject_value, comparison.unit),
        Cell(numbers.cost(comparison.cost), kind=comparison.verdict),
        Cell(numbers.DASH) if row.cpu is None else Cell(numbers.cost(row.cpu.cost), kind=row.cpu.verdict),
        Cell(str(comparison.cost.n)),
        _verdict(page, row),
    )


def _verdict(page: Page, row: Answers) -> Cell:
    """Give the verdict by time, or by CPU where only that is decided."""
    if row.by == "cpu" and row.cpu is not None:
        told = page.words("answer.cpu", told=page.words(f"short.{row.cpu.verdict}"))
        return Cell(told, kind=row.cpu.verdict)
    doubt = page.doubt(row.time, short=True)
    told = page.words(f"short.{row.time.verdict}")
    return Cell(
        page.words("short.because", verdict=told, why=doubt) if doubt else told, kind=row.time.verdict
    )


def _base(page: Page, comparison: Comparison) -> tuple[Cell, ...]:
    """Give the base a row of its own, whose ratio is the noise floor."""
    floor = comparison.floor
    return (
        Cell(page.case_name(case_of(comparison))),
        cells.runner(page, comparison.base),
        _median(comparison.base_value, comparison.unit),
        Cell(numbers.DASH if floor is None else numbers.cost(floor), kind="muted"),
        Cell(numbers.DASH, kind="muted"),
        Cell(numbers.DASH if floor is None else str(floor.n)),
        Cell("" if floor is None else page.words("short.floor"), kind="muted"),
    )


def _startup(page: Page, case: CaseKey, by_runner: dict[str, Phases]) -> Table:
    words = page.words
    rows = tuple(
        (
            cells.runner(page, runner),
            Cell(str(found.n)),
            Cell(numbers.quantity(found.inside, "s")),
            Cell(found.whole),
        )
        for runner, found in by_runner.items()
    )
    heads = (words("column.runner"), words("column.n"), words("startup.inside"), words("startup.end_to_end"))
    caption = f"{words('startup.title')}: {page.case_name(case)}"
    return Table(caption, heads, rows, numeric=(1, 2, 3))


def _median(given: Estimate, unit: str) -> Cell:
    return Cell(numbers.quantity(given.value, unit, width=numbers.width_of(given)))
