"""Build the glossary, and give the heads of tables their explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.page import Page
    from tare.reports.text.words import Words

TERMS = (
    "runner",
    "workload",
    "place",
    "job",
    "cost",
    "interval",
    "block",
    "n",
    "floor",
    "threshold",
    "verdict",
    "base",
    "cpu",
    "duet",
    "inside",
    "end_to_end",
    "p99",
    "rung",
    "emulated",
    "exit",
    "pss",
)
"""Terms in an order in which none is used before it is explained; the words are ``glossary.<term>`` and ``term.<term>``."""

HEADS = {
    "column.runner": "runner",
    "column.workload": "workload",
    "column.n": "n",
    "column.p99": "p99",
    "overhead.cost": "cost",
    "overhead.cpu": "cpu",
    "overhead.floor": "floor",
    "overhead.verdict": "verdict",
    "startup.inside": "inside",
    "startup.end_to_end": "end_to_end",
    "ladder.rung": "rung",
    "crowd.pss": "pss",
}
"""Text that heads a column → the term that explains it."""


def section(page: Page) -> Section:
    """List the terms of the page, each with what it means here."""
    words = page.words
    items = tuple(Item(words(f"glossary.{term}"), label=words(f"term.{term}")) for term in TERMS)
    return Section("glossary", words("glossary.title"), (Bullets(items),))


def explained(words: Words) -> Mapping[str, str]:
    """Give the heads of columns that have an explanation: head → explanation."""
    return {words.texts[key]: words(f"glossary.{term}") for key, term in HEADS.items()}
