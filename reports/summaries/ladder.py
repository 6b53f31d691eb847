"""Name the rungs of the isolation ladder and classify what each one adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.record import BASE

if TYPE_CHECKING:
    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import RungCost
    from tare.results.statistics.estimates import Estimate


def rung_name(words: Words, rung: RungCost) -> str:
    """Name a rung as its runner's label does; the last one is marked as the full container."""
    plus = "" if rung.below == BASE and ":" in rung.runner else "+"
    full = "" if ":" in rung.runner else f" {words('ladder.full')}"
    return f"{plus}{rung.rung}{full}"


def classify(given: Estimate, no_change: float) -> Kind:
    """Classify a change: ``worse`` or ``better`` if its interval excludes ``no_change``, else ``muted``."""
    if given.low is None or given.high is None or given.low <= no_change <= given.high:
        return "muted"
    return "worse" if given.low > no_change else "better"
