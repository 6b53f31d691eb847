"""Put the ledger of claims into words: the note's sentences, verdicts with their reasons, rules, and effects."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, get_args

import msgspec

from tare.reports.summaries import names
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers
from tare.reports.text.enumerated import some
from tare.results.judgement.claims.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.text.words import Words
    from tare.results.judgement.claims.model import ClaimVerdict, Finding

MOST_NAMED = 4
"""Findings that a sentence names; the others are counted."""

_PERCENT = ("margin", "least", "least_decided", "most")
"""Values of rules and reasons that are shares."""


def because(verdict: ClaimVerdict, words: Words) -> str:
    """Tell why a verdict is what it is. Does not quote the record."""
    values = _shown(verdict.reason.values)
    against = [finding for finding in verdict.findings if finding.tells == "against"]
    facts = sorted({name for finding in verdict.findings if finding.counted for name in finding.names})
    values["against"] = some([_named(finding, words) for finding in against], MOST_NAMED, words)
    values["facts"] = some(facts, MOST_NAMED, words)
    return words(f"claims.because_{verdict.reason.code}", **values)


def counted(verdicts: Sequence[ClaimVerdict], words: Words) -> str:
    """Count the claims by their verdicts, as in ``13 claims – supported: 3, depends: 2``."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    told = [
        words("claims.count", outcome=words(f"claims.{outcome}"), n=counts[outcome])
        for outcome in get_args(Outcome)
        if counts[outcome]
    ]
    return words("claims.counted", total=len(verdicts), parts=", ".join(told))


def rule(verdict: ClaimVerdict, words: Words) -> str:
    """Tell the rule with its limits."""
    kind = type(verdict.rule).__name__.lower()
    return words(f"claims.rule_{kind}", **_shown(msgspec.structs.asdict(verdict.rule)))


def tells(finding: Finding, words: Words) -> str:
    """Tell what a finding says of its claim, or why it does not count."""
    if finding.label:
        return words("claims.uncounted", why=words(f"claims.label_{finding.label}"))
    return words(f"claims.tells_{finding.tells}")


def effect(finding: Finding, words: Words) -> str:
    """Format what a finding measured: a ratio with its interval, seconds, a share, a count or names."""
    found = finding.effect
    if found is None:
        if finding.measure not in {"open_attempts", "differing_facts"}:
            return ""
        return words("claims.names", n=len(finding.names))
    match finding.unit:
        case "share":
            ends = numbers.percent(found.value)
            if found.low is not None and found.high is not None:
                ends += f" ({numbers.percent(found.low)}{numbers.DASH}{numbers.percent(found.high)})"
            return ends
        case "s":
            shown = numbers.quantity(found.value, "s")
            return words(f"claims.end_{found.method}", seconds=shown, n=found.n)
        case "count":
            return words("claims.of", count=f"{found.value:g}", n=found.n)
        case _:
            return numbers.cost(found)


def telling(verdict: ClaimVerdict) -> Finding | None:
    """Choose the finding that a row shows: of those that decided the verdict, the one farthest from no effect."""
    wanted = "for" if verdict.outcome == "supported" else "against"
    counted = [one for one in verdict.findings if one.counted]
    decisive = [one for one in counted if one.tells == wanted] or counted or list(verdict.findings)
    return max(decisive, key=_size, default=None)


def where(finding: Finding, words: Words) -> str:
    """Name the case and the places that a finding is about."""
    if finding.workload == "isolation":
        return finding.runner
    return f"{names.spoken_case(case_of(finding), words)}, {finding.runner}"


def _size(finding: Finding) -> float:
    if finding.effect is None:
        return float(len(finding.names))
    value = finding.effect.value
    if finding.unit == "ratio" and value > 0:
        return abs(math.log(value))
    return value if math.isfinite(value) else -math.inf


def _named(finding: Finding, words: Words) -> str:
    told = effect(finding, words)
    return f"{where(finding, words)} {told}".rstrip()


def _shown(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: numbers.percent(value) if name in _PERCENT and isinstance(value, float) else value
        for name, value in values.items()
    }
