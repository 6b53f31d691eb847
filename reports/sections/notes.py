"""Fairness notes: what else differed between the two sides of a comparison."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from reports.document import Bullets, Item, Paragraph, Section
from reports.summary import case_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.page import Page


def numbered(page: Page) -> Mapping[str, int]:
    """Note → its number on the page, in the order of the tables."""
    notes = (note for comparison in page.summary.compared for note in comparison.notes)
    return {note: index for index, note in enumerate(dict.fromkeys(notes), start=1)}


def section(page: Page) -> Section | None:
    """Each note once, with where it holds."""
    words, marks = page.words, numbered(page)
    if not page.summary.compared:
        return None
    if not marks:
        return Section("notes", words("notes.title"), (Paragraph(words("notes.none", base=page.base)),))
    items = tuple(
        Item(f"{note} ({_where(page, note)})", label=str(number), recorded=True)
        for note, number in marks.items()
    )
    return Section("notes", words("notes.title"), (Paragraph(words("notes.intro")), Bullets(items)))


def _where(page: Page, note: str) -> str:
    """Runners that the note holds for, put together where it holds for the same workloads."""
    compared = page.summary.compared
    found: dict[str, dict[str, None]] = defaultdict(dict)
    every: dict[str, set[str]] = defaultdict(set)
    for comparison in compared:
        every[comparison.runner].add(case_of(comparison).label)
        if note in comparison.notes:
            found[comparison.runner][case_of(comparison).label] = None
    together: dict[str, list[str]] = defaultdict(list)
    for runner, labels in found.items():
        whole = labels.keys() == every[runner]
        together[page.words("skips.every") if whole else ", ".join(labels)].append(runner)
    return "; ".join(
        page.words("notes.where", cases=cases, runner=", ".join(runners))
        for cases, runners in together.items()
    )
