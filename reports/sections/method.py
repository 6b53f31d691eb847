"""How to read the report, in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.document import Bullets, Item, Section
from reports.summary import outcomes

if TYPE_CHECKING:
    from reports.page import Page


def section(page: Page) -> Section:
    """What was done, what the words mean, and the count of all trials by outcome."""
    words, given = page.words, page.summary.given
    counts = ", ".join(
        f"{words(f'outcome.{outcome}')} {n}" for outcome, n in sorted(outcomes(given.trials).items())
    )
    texts = [
        words("method.paired", seed=given.manifest.seed),
        words("method.floor", base=page.base),
        *(words(f"method.{name}") for name in ("verdicts", "direction", "warmups", "clocks")),
        words("method.counts", counts=counts or "0"),
    ]
    return Section("method", words("method.title"), (Bullets(tuple(Item(text) for text in texts)),))
