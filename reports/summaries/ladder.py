"""Name the rungs of the isolation ladder and classify what each one adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import BASE

if TYPE_CHECKING:
    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import Rise
    from tare.results.statistics.estimates import Estimate


def rung_name(words: Words, rise: Rise) -> str:
    """Name a rung as its runner's label does; the last one is marked as the full container."""
    plus = "" if rise.below == BASE and ":" in rise.runner else "+"
    full = "" if ":" in rise.runner else f" {words('ladder.full')}"
    return f"{plus}{rise.rung}{full}"


def classify(given: Estimate, no_change: float) -> Kind:
    """Classify a change: ``worse`` or ``better`` if its interval excludes ``no_change``, else ``muted``."""
    if given.low is None or given.high is None or given.low <= no_change <= given.high:
        return "muted"
    return "worse" if given.low > no_change else "better"
