"""Build the ledger: the study note's claims, each with its verdict, effect, rule and the measurements that count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import ledger
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.text.numbers import DASH
from tare.reports.text.words import words as catalogue
from tare.results.judgement.claims.declared import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.judgement.claims.model import ClaimVerdict, Finding, Outcome, Tells

KINDS: Mapping[Outcome, Kind] = {
    "supported": "better",
    "refuted": "worse",
    "depends": "undecided",
    "undecided": "undecided",
    "unmeasured": "muted",
}
_TELLS: Mapping[Tells, Kind] = {
    "for": "better",
    "against": "worse",
    "open": "undecided",
    "uncounted": "muted",
}


def section(page: Page) -> Section | None:
    """Build the table of claims, with rule and measurements of each folded; ``None`` if the run bears on no claim."""
    words, verdicts = page.words, page.summary.claims
    if not any(verdict.findings for verdict in verdicts):
        return None
    body: list[Node] = [
        Paragraph(words("claims.intro")),
        Paragraph(ledger.counted(verdicts, words)),
        _table(page, verdicts, originals=words.language != "ko"),
    ]
    body += _not_here(page)
    body += [_details(page, verdict) for verdict in verdicts]
    return Section("claims", words("claims.title"), tuple(body))


def short(page: Page) -> Section | None:
    """Build the table of the claims that the run can judge, and name the others; ``None`` if it can judge none."""
    judged = [verdict for verdict in page.summary.claims if verdict.outcome != "unmeasured"]
    if not judged:
        return None
    body = (_table(page, judged, originals=False), *_not_here(page))
    return Section("claims", page.words("claims.title"), body)


def _table(page: Page, verdicts: Sequence[ClaimVerdict], *, originals: bool) -> Table:
    """Build the table; ``originals``: the note's sentences stand below their translations."""
    columns = ("id", "claim", "verdict", "effect", "shown")
    return Table(
        page.words("claims.caption"),
        tuple(page.words(f"claims.{name}") for name in columns),
        tuple(_row(page, verdict, original=originals) for verdict in verdicts),
    )


def _not_here(page: Page) -> tuple[Node, ...]:
    """Name the claims that the run cannot judge, with the command that measures all that there is for them."""
    missing = [verdict.claim for verdict in page.summary.claims if verdict.outcome == "unmeasured"]
    if not missing:
        return ()
    command = f"tare run -k {EVERYTHING}"
    return (Paragraph(page.words("claims.not_here", names=", ".join(missing), command=command)),)


def _row(page: Page, verdict: ClaimVerdict, *, original: bool) -> tuple[Cell, ...]:
    words = page.words
    told = ledger.because(verdict, words)
    return (
        Cell(verdict.claim),
        Cell(
            words(f"claim.{verdict.claim}"),
            detail=catalogue("ko")(f"claim.{verdict.claim}") if original else "",
            detail_language="ko" if original else "",
        ),
        Cell(words(f"claims.{verdict.outcome}"), detail=told, kind=KINDS[verdict.outcome]),
        _effect(page, ledger.telling(verdict)),
        _shown_in(words, verdict),
    )


def _shown_in(words: Words, verdict: ClaimVerdict) -> Cell:
    """Make the cell that leads to the section with the measurements; a dash where the run has none of them."""
    if not verdict.findings or not words.has(f"{verdict.section}.title"):
        return Cell(DASH, kind="muted")
    return Cell(words(f"{verdict.section}.title"), link=verdict.section)


def _effect(page: Page, finding: Finding | None) -> Cell:
    """Make the cell of one finding's effect; a dash where there is none."""
    if finding is None:
        return Cell(DASH, kind="muted")
    words, found = page.words, finding.effect
    measured = words(f"claims.measure_{finding.measure}")
    uncounted = f" ({ledger.tells(finding, words)})" if finding.label else ""
    return Cell(
        ledger.effect(finding, words) or measured,
        detail=f"{ledger.where(finding, words)}: {measured}{uncounted}",
        value=None if found is None else found.value,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
    )


def _details(page: Page, verdict: ClaimVerdict) -> Details:
    """Fold a claim's rule, its reason, the command that would measure it, and its measurements."""
    words = page.words
    body: list[Node] = [Paragraph(words("claims.rule", rule=ledger.rule(verdict, words)))]
    body.append(Paragraph(ledger.because(verdict, words)))
    if verdict.reason.recorded:
        body.append(Bullets(tuple(Item(text, recorded=True) for text in verdict.reason.recorded)))
    if verdict.command:
        body.append(Paragraph(words("claims.command", command=verdict.command)))
    if verdict.findings:
        rows = tuple(
            (
                Cell(ledger.where(finding, words)),
                Cell(words(f"claims.measure_{finding.measure}"), detail=_names(page, finding)),
                Cell(ledger.effect(finding, words) or DASH),
                Cell(ledger.tells(finding, words), kind=_TELLS[finding.tells]),
            )
            for finding in verdict.findings
        )
        heads = tuple(words(f"claims.{name}") for name in ("where", "measured", "effect", "says"))
        body.append(Table(words("claims.findings", claim=verdict.claim), heads, rows))
    title = words("claims.details", claim=verdict.claim, outcome=words(f"claims.{verdict.outcome}"))
    return Details(title, tuple(body))


def _names(page: Page, finding: Finding) -> str:
    """List the attempts or facts of a finding, attempts by their names in the page's language."""
    words = page.words
    return words.row(
        words(f"attempt.{name}") if words.has(f"attempt.{name}") else name for name in finding.names
    )
