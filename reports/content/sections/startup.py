"""Start-up phases and the distribution of cold starts."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.startup import LEAST_FOR_P99
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH
from tare.results.record import MARKS

if TYPE_CHECKING:
    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.startup import Phases


def section(page: Page) -> Section | None:
    """Both figures, and per case both tables."""
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
    columns = ("runner", "inside", "end_to_end", "hidden")
    rows = []
    for runner, found in by_runner.items():
        error = (
            words("startup.error", error=numbers.quantity(found.clock_error, "s"))
            if found.clock_error
            else ""
        )
        hidden = found.end_to_end - found.inside
        rows.append(
            (
                Cell(runner, detail=words("figure.n", n=found.n), color=runner_color(runner)),
                Cell(numbers.quantity(found.inside, "s"), detail=error, value=found.inside),
                Cell(numbers.quantity(found.end_to_end, "s"), value=found.end_to_end),
                Cell(numbers.quantity(hidden, "s"), value=hidden),
                *(
                    Cell(numbers.quantity(found.marks[mark], "s"), value=found.marks[mark])
                    if mark in found.marks
                    else Cell(DASH)
                    for mark in marks
                ),
            )
        )
    names = (*(words(f"startup.{c}") for c in columns), *(words(f"phase.{mark}") for mark in marks))
    return Table(
        f"{case.label}: {words('startup.caption')}",
        names,
        tuple(rows),
        numeric=tuple(range(1, len(names))),
        keys=tuple(f"{case.label}|{runner}|phases" for runner in by_runner),
    )


def _distribution(page: Page, case: CaseKey, by_runner: dict[str, Phases]) -> Table:
    words = page.words
    rows = []
    for runner, found in by_runner.items():
        enough = found.n >= LEAST_FOR_P99
        p99 = numbers.nearest_rank(found.totals, 0.99)
        points = (
            min(found.totals),
            statistics.median(found.totals),
            p99 if enough else None,
            max(found.totals),
        )
        rows.append(
            (
                Cell(runner, color=runner_color(runner)),
                Cell(str(found.n), value=found.n),
                *(
                    Cell(words("startup.no_p99", n=LEAST_FOR_P99), kind="muted")
                    if point is None
                    else Cell(numbers.quantity(point, "s"), value=point)
                    for point in points
                ),
            )
        )
    return Table(
        f"{case.label}: {words('startup.distribution_caption')}",
        tuple(words(f"startup.{c}") for c in ("runner", "n", "fastest", "p50", "p99", "slowest")),
        tuple(rows),
        numeric=(1, 2, 3, 4, 5),
        keys=tuple(f"{case.label}|{runner}|distribution" for runner in by_runner),
    )
