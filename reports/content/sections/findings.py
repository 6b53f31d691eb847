"""The findings in plain sentences, and what the run leaves open."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Node, Paragraph, Section
from tare.reports.content.sections.notes import own, references, shared
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.runners import rank
from tare.reports.text import numbers
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from tare.reports.content.page import Page
    from tare.results.judgement.comparison import Comparison, Verdict

ORDER: tuple[Verdict, ...] = ("worse", "better", "same", "undecided")
_MOST_UNKNOWN = 12


def section(page: Page) -> Section:
    """One list per runner, what costs more first; then what is not known."""
    words, found = page.words, page.summary.primary
    body: list[Node] = []
    if not found:
        body.append(Paragraph(words("findings.none", base=page.base), kind="warning"))
    else:
        confidence = numbers.percent(found[0].cost.confidence)
        body.append(Paragraph(words("findings.intro", base=page.base, confidence=confidence)))
    for runner in sorted({c.runner for c in found} - {CONTROL}, key=rank):
        items = []
        for verdict in ORDER:
            chosen = [c for c in found if c.runner == runner and c.verdict == verdict]
            if verdict in ("worse", "better"):
                chosen.sort(key=lambda c: -abs(c.cost.value - 1))
            texts = [_text(page, c) for c in chosen]
            if texts:
                share = words("findings.share", n=len(texts), total=sum(c.runner == runner for c in found))
                items.append(
                    Item(f"{share} ", label=words(f"verdict.{verdict}"), kind=verdict, parts=tuple(texts))
                )
        if everywhere := references(page, shared(page, runner)):
            items.append(Item(words("findings.shared", base=page.base, marks=everywhere)))
        body.append(Bullets(tuple(items), title=runner))
    body.append(Bullets(_unknown(page), title=words("findings.unknown_title")))
    return Section("findings", words("findings.title"), tuple(body))


def _text(page: Page, found: Comparison) -> str:
    noted = own(page, found)
    key = "findings.item_noted" if noted else "findings.item"
    return page.words(key, case=case_of(found).label, cost=numbers.cost(found.cost), marks=noted)


def _unknown(page: Page) -> tuple[Item, ...]:
    words, summary = page.words, page.summary
    missing: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for trial in summary.given.trials:
        if trial.outcome == "skipped":
            missing[trial.runner, trial.reason][case_of(trial).label] = None
    kept = [
        Item(words("findings.unknown_skip", runner=runner, reason=reason, cases=", ".join(cases)))
        for (runner, reason), cases in missing.items()
    ]
    if len(kept) > _MOST_UNKNOWN:
        more = words("findings.unknown_more", n=len(kept) - _MOST_UNKNOWN)
        kept = [*kept[:_MOST_UNKNOWN], Item(more)]
    undecided = sum(c.verdict == "undecided" for c in summary.primary)
    if undecided:
        kept.append(Item(words("findings.unknown_undecided", n=undecided, total=len(summary.primary))))
    floorless = sum(c.floor is None for c in summary.primary)
    if floorless:
        text = words("findings.unknown_floor", base=page.base, n=floorless, total=len(summary.primary))
        kept.append(Item(text))
    lost = sum(t.outcome in ("failed", "timeout", "invalid") for t in summary.given.trials)
    if lost:
        kept.append(Item(words("findings.unknown_failed", n=lost)))
    return tuple(kept) or (Item(words("findings.unknown_nothing")),)
