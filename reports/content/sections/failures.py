"""Build the section on trials that gave no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.summaries.failures import alike, shown_numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.failures import FailureGroup


def section(page: Page) -> Section:
    """Group the failed, timed-out and invalid trials by case, runner and reason."""
    words = page.words
    found = page.summary.failures
    if not found:
        return Section("failures", words("failures.title"), (Paragraph(words("failures.none")),))
    columns = tuple(words(f"failures.{c}") for c in ("case", "trials", "outcome", "reason"))
    table = Table(words("failures.caption"), columns, tuple(_row(page, groups) for groups in alike(found)))
    return Section("failures", words("failures.title"), (Paragraph(words("failures.intro")), table))


def _row(page: Page, groups: Sequence[FailureGroup]) -> tuple[Cell, ...]:
    words, group = page.words, groups[0]
    failed, total = sum(len(one.numbers) for one in groups), sum(one.total for one in groups)
    return (
        Cell(", ".join([page.spoken_case(group.case), *(page.runner_name(one.runner) for one in groups)])),
        Cell(
            words("failures.count", n=failed, total=total),
            detail=words("failures.numbers", numbers=shown_numbers(groups)),
        ),
        Cell(words(f"outcome.{group.outcome}"), kind="problem"),
        Cell(
            page.recorded(group.reason) or DASH,
            detail=words("failures.last_line", line=group.last_line) if group.last_line else "",
            recorded=True,
        ),
    )
