"""Build the section that shows values in the order of measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Paragraph, Section

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section | None:
    """Build the figure; its numbers are the raw data. ``None`` if it was not drawn."""
    picture = page.picture("drift")
    if not picture:
        return None
    return Section("drift", page.words("drift.title"), (Paragraph(page.words("drift.intro")), *picture))
