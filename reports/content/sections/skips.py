"""Build the section on what was not measured, with reasons and remedies."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.summaries.cases import case_of
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section:
    """Build a table with a row for each runner and reason, naming the cases that were skipped for it."""
    words = page.words
    found: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for trial in page.summary.given.trials:
        if trial.outcome == "skipped":
            case = case_of(trial)
            found[trial.runner, trial.reason, trial.remedy][page.spoken_case(case)] = None
    if not found:
        return Section("skips", words("skips.title"), (Paragraph(words("skips.none")),))
    rows = tuple(
        (
            Cell(runner, detail=", ".join(name for name in names if name) or words("skips.every")),
            Cell(reason, recorded=True),
            Cell(remedy or DASH, recorded=True),
        )
        for (runner, reason, remedy), names in found.items()
    )
    table = Table(
        words("skips.caption"), tuple(words(f"skips.{c}") for c in ("what", "reason", "remedy")), rows
    )
    return Section("skips", words("skips.title"), (Paragraph(words("skips.intro")), table))
