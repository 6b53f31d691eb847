"""Build the section on instructions: a verdict on the versions of a command that has no noise, apart from times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Paragraph, Section

if TYPE_CHECKING:
    from tare.reports.content.page import Page


def section(page: Page) -> Section | None:
    """Tell the verdict by instructions, with its source; ``None`` if they were not counted."""
    words, found = page.words, page.summary.given.counts
    if found is None:
        return None
    if found.verdict == "refused":
        verdict = Item(found.because, label=words("counts.refused"), kind="warning", recorded=True)
    else:
        label = words(f"verdict.{found.verdict}")
        verdict = Item(
            f"{found.metric}: {page.recorded(found.because)}", label=label, kind=found.verdict, recorded=True
        )
    return Section("counts", words("counts.title"), (Paragraph(words("counts.intro")), Bullets((verdict,))))
