"""Build the section on start-up: phases, and the distribution of cold starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.summaries.startup import LEAST_FOR_P99
from tare.reports.text import numbers
from tare.results.record import MARKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.startup import Phases


def section(page: Page) -> Section | None:
    """Build both figures and, for each case, both tables; ``None`` if no trial launched a place of its own."""
    words, startup = page.words, page.summary.startup
    if not startup:
        return None
    body: list[Node] = [Paragraph(words("startup.intro")), *page.picture("startup")]
    body += [_phases(page, case, dict(by)) for case, by in startup.items()]
    body.append(Paragraph(words("startup.note"), kind="muted"))
    body += page.picture("coldstarts")
    body += [_distribution(page, case, dict(by)) for case, by in startup.items()]
    return Section("startup", words("startup.title"), tuple(body))


def _phases(page: Page, case: CaseKey, by_runner: dict[str, Phases]) -> Table:
    words = page.words
    marks = [mark for mark in MARKS if any(mark in p.marks for p in by_runner.values())]
    heads = (
        words("column.runner"),
        *(words(f"startup.{c}") for c in ("inside", "end_to_end", "hidden")),
        *(words(f"phase.{mark}") for mark in marks),
    )
    return Table(
        f"{page.case_name(case)}: {words('startup.caption')}",
        heads,
        tuple(_phases_row(page, runner, found, marks) for runner, found in by_runner.items()),
        numeric=tuple(range(1, len(heads))),
        keys=tuple(f"{case.label}|{runner}|phases" for runner in by_runner),
    )


def _phases_row(page: Page, runner: str, found: Phases, marks: Sequence[str]) -> tuple[Cell, ...]:
    words = page.words
    bound = numbers.quantity(found.clock_error, "s")
    error = words("startup.error", error=bound) if found.clock_error else ""
    return (
        cells.runner(page, runner, detail=words("figure.n", n=found.n)),
        Cell(numbers.quantity(found.inside, "s"), detail=error, value=found.inside),
        Cell(found.whole, value=found.end_to_end),
        cells.quantity(found.end_to_end - found.inside, "s"),
        *(cells.quantity(found.marks.get(mark), "s") for mark in marks),
    )


def _distribution(page: Page, case: CaseKey, by_runner: dict[str, Phases]) -> Table:
    words = page.words
    return Table(
        f"{page.case_name(case)}: {words('startup.distribution_caption')}",
        (
            *(words(f"column.{c}") for c in ("runner", "n")),
            words("startup.fastest"),
            *(words(f"column.{c}") for c in ("p50", "p99", "slowest")),
        ),
        tuple(_distribution_row(page, runner, found) for runner, found in by_runner.items()),
        numeric=(1, 2, 3, 4, 5),
        keys=tuple(f"{case.label}|{runner}|distribution" for runner in by_runner),
    )


def _distribution_row(page: Page, runner: str, found: Phases) -> tuple[Cell, ...]:
    return (
        cells.runner(page, runner),
        cells.count(found.n),
        cells.quantity(min(found.totals), "s"),
        Cell(found.whole, value=found.end_to_end),
        p99(page, found.totals),
        cells.quantity(max(found.totals), "s"),
    )


def p99(page: Page, durations: Sequence[float]) -> Cell:
    """Make the cell of the 99th percentile in seconds, or of the number of starts that it would need."""
    if len(durations) < LEAST_FOR_P99:
        return Cell(page.words("startup.no_p99", n=LEAST_FOR_P99), kind="muted")
    return cells.quantity(numbers.nearest_rank(durations, 0.99), "s")
