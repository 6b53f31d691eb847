"""Build the section on trials that gave no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page
    from tare.reports.summaries.failures import FailureGroup


def section(page: Page) -> Section:
    """Group the failed, timed-out and invalid trials by case, runner and reason."""
    words = page.words
    found = page.summary.failures
    if not found:
        return Section("failures", words("failures.title"), (Paragraph(words("failures.none")),))
    columns = tuple(words(f"failures.{c}") for c in ("case", "trials", "outcome", "reason"))
    table = Table(words("failures.caption"), columns, tuple(_row(page, group) for group in found))
    return Section("failures", words("failures.title"), (Paragraph(words("failures.intro")), table))


def _row(page: Page, group: FailureGroup) -> tuple[Cell, ...]:
    words = page.words
    return (
        Cell(f"{page.spoken_case(group.case)}, {page.runner_name(group.runner)}"),
        Cell(
            words("failures.count", n=len(group.numbers), total=group.total),
            detail=words("failures.numbers", numbers=group.shown_numbers),
        ),
        Cell(words(f"outcome.{group.outcome}"), kind="problem"),
        Cell(
            group.reason or DASH,
            detail=words("failures.last_line", line=group.last_line) if group.last_line else "",
            recorded=True,
        ),
    )
