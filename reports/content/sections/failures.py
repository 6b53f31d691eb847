"""Build the section on trials that gave no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.runners import series_name
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section:
    """List every failed, timed-out or invalid trial with its reason."""
    words = page.words
    found = page.summary.without_numbers
    if not found:
        return Section("failures", words("failures.title"), (Paragraph(words("failures.none")),))
    rows = tuple(
        (
            Cell(
                str(trial.number),
                detail=f"{page.spoken_case(case_of(trial))}, {page.runner_name(series_name(trial))}",
            ),
            Cell(words(f"outcome.{trial.outcome}"), kind="problem"),
            Cell(f"{trial.reason} {trial.remedy}".strip() or DASH, recorded=True),
        )
        for trial in found
    )
    columns = tuple(words(f"failures.{c}") for c in ("trial", "outcome", "reason"))
    table = Table(words("failures.caption"), columns, rows)
    return Section("failures", words("failures.title"), (Paragraph(words("failures.intro")), table))
