"""Build the headline: the answer of the run in a few sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.headlines import sentences
from tare.reports.content.nodes import Headline, Section

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section:
    """Build the section that stands above all others; it has a headline whatever became of the run."""
    return Section("headline", "", (Headline(sentences(page)),))
