"""List the report's sections in their order, for each form of the report.

Each module has ``section(page) -> Section | None``; a new section is one module and one entry here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.finishing import finished
from tare.reports.content.sections import (
    banners,
    claims,
    compact,
    counts,
    cpu,
    crowd,
    data,
    deploy,
    drift,
    engines,
    failures,
    findings,
    glossary,
    guests,
    headline,
    host,
    isolation,
    ladder,
    limits,
    matrix,
    method,
    neighbours,
    notes,
    overhead,
    scaling,
    services,
    skips,
    startup,
    weight,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.reports.content.nodes import Section
    from tare.reports.content.page import Page

    MakeSection = Callable[[Page], Section | None]

FULL: tuple[MakeSection, ...] = (
    headline.section,
    banners.section,
    matrix.section,
    findings.section,
    claims.section,
    counts.section,
    overhead.section,
    startup.section,
    engines.section,
    ladder.section,
    scaling.section,
    crowd.section,
    deploy.section,
    services.section,
    neighbours.section,
    cpu.section,
    guests.section,
    isolation.section,
    drift.section,
    notes.section,
    limits.section,
    skips.section,
    failures.section,
    weight.section,
    host.section,
    glossary.section,
    method.section,
    data.section,
)
"""Sections of the page."""

BRIEF: tuple[MakeSection, ...] = (
    headline.section,
    banners.section,
    matrix.section,
    findings.section,
    claims.short,
    counts.section,
    overhead.section,
    startup.section,
    engines.section,
    ladder.section,
    scaling.section,
    crowd.section,
    deploy.section,
    services.section,
    neighbours.section,
    isolation.section,
    notes.section,
    limits.section,
    skips.section,
    failures.section,
    data.section,
)
"""Sections of the summary in Markdown."""

SHORTEST: tuple[MakeSection, ...] = (
    headline.section,
    banners.section,
    matrix.short,
    compact.section,
    neighbours.short,
    isolation.short,
    skips.section,
    failures.section,
)
"""Sections of the summary in a terminal."""


def sections(page: Page, wanted: tuple[MakeSection, ...] = FULL) -> tuple[Section, ...]:
    """Build the wanted sections, each once for a page; those without content are left out."""
    for make in wanted:
        if make not in page.built:
            made = make(page)
            page.built[make] = None if made is None else finished(made, page.words, page.summary.said)
    return tuple(made for make in wanted if (made := page.built[make]) is not None)
