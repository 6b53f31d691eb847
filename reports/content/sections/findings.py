"""Build the findings in plain sentences, and what the run leaves open."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Item, Node, Paragraph, Section
from tare.reports.content.sections.notes import own, references, shared
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.content.page import Page
    from tare.results.judgement.comparison import Comparison, Verdict

ORDER: tuple[Verdict, ...] = ("worse", "better", "same", "undecided")
_MOST_SKIPS = 12
"""Skips listed one by one; the section on skips has them all."""


def section(page: Page) -> Section:
    """List the verdicts of each runner, higher costs first, then what was not measured or not decided."""
    words, found = page.words, page.summary.primary
    body: list[Node] = []
    if not found:
        body.append(Paragraph(words("findings.none", base=page.base), kind="warning"))
    else:
        confidence = numbers.percent(found[0].cost.confidence)
        body.append(Paragraph(words("findings.intro", base=page.base, confidence=confidence)))
    for runner in sorted({c.runner for c in found} - {CONTROL}, key=page.summary.display.rank):
        items = list(_verdicts(page, [c for c in found if c.runner == runner]))
        if everywhere := references(page, shared(page, runner)):
            items.append(Item(words("findings.shared", base=page.base, marks=everywhere)))
        body.append(Bullets(tuple(items), title=runner))
    body.append(Bullets(tuple(_open_questions(page)), title=words("findings.unknown_title")))
    return Section("findings", words("findings.title"), tuple(body))


def _verdicts(page: Page, compared: list[Comparison]) -> Iterator[Item]:
    """Give one item per verdict, the largest differences first."""
    words = page.words
    for verdict in ORDER:
        chosen = [c for c in compared if c.verdict == verdict]
        if not chosen:
            continue
        if verdict in ("worse", "better"):
            chosen.sort(key=lambda c: -abs(c.cost.value - 1))
        share = words("findings.share", n=len(chosen), total=len(compared))
        parts = tuple(_cost(page, c) for c in chosen)
        yield Item(f"{share} ", label=words(f"verdict.{verdict}"), kind=verdict, parts=parts)


def _cost(page: Page, found: Comparison) -> str:
    noted = own(page, found)
    key = "findings.item_noted" if noted else "findings.item"
    case = page.spoken_case(case_of(found))
    return page.words(key, case=case, cost=numbers.cost(found.cost), marks=noted)


def _open_questions(page: Page) -> Iterator[Item]:
    words, compared = page.words, page.summary.primary
    items = [*_skipped(page)]
    total = len(compared)
    if undecided := sum(c.verdict == "undecided" for c in compared):
        items.append(Item(words("findings.unknown_undecided", n=undecided, total=total)))
    if floorless := sum(c.floor is None for c in compared):
        items.append(Item(words("findings.unknown_floor", base=page.base, n=floorless, total=total)))
    if lost := len(page.summary.without_numbers):
        items.append(Item(words("findings.unknown_failed", n=lost)))
    yield from items or [Item(words("findings.unknown_nothing"))]


def _skipped(page: Page) -> Iterator[Item]:
    words = page.words
    missing: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for trial in page.summary.given.trials:
        if trial.outcome == "skipped":
            missing[trial.runner, trial.reason][page.spoken_case(case_of(trial))] = None
    for (runner, reason), cases in list(missing.items())[:_MOST_SKIPS]:
        yield Item(words("findings.unknown_skip", runner=runner, reason=reason, cases=", ".join(cases)))
    if len(missing) > _MOST_SKIPS:
        yield Item(words("findings.unknown_more", n=len(missing) - _MOST_SKIPS))
