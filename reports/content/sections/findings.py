"""Build the findings in plain sentences, and what the run leaves open."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.bills import bill
from tare.reports.content.nodes import Bullets, Details, Item, Node, Paragraph, Section
from tare.reports.content.sections.notes import own, references, shared
from tare.reports.summaries.cases import case_of
from tare.reports.text import numbers
from tare.reports.text.answers import both, headline
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Verdict

ORDER: tuple[Verdict, ...] = ("worse", "better", "same")
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
    steps = page.summary.rungs
    for runner in sorted({c.runner for c in found} - {CONTROL} - steps, key=page.summary.display.rank):
        body += _runner(page, runner)
    if steps:
        body.append(Paragraph(words("findings.rungs", n=len(steps), title=words("ladder.title"))))
    body += priced(page)
    body.append(Bullets(tuple(_open_questions(page)), title=words("findings.unknown_title")))
    return Section("findings", words("findings.title"), tuple(body))


def _runner(page: Page, runner: str) -> Iterator[Node]:
    """List what is decided of a runner, with what is open folded below it."""
    words = page.words
    rows = [one for one in page.summary.answers if one.time.runner == runner]
    items = [Item(headline(rows, words)), *_verdicts(page, rows)]
    if everywhere := references(page, shared(page, runner)):
        items.append(Item(words("findings.shared", base=page.base, marks=everywhere)))
    yield Bullets(tuple(items), title=runner)
    if undecided := [row for row in rows if row.by == "none"]:
        parts = tuple(Item(_part(page, row)) for row in undecided)
        label = words("findings.undecided", n=len(undecided), total=len(rows))
        yield Details(label, (Bullets(parts),))


def priced(page: Page) -> tuple[Node, ...]:
    """Tell what deciding the open rows would take, once for the whole report; nothing if all are decided."""
    summary = page.summary
    text = bill(summary.answers, summary.prices, summary.given.manifest.run, page.words)
    return (Paragraph(text),) if text else ()


def _verdicts(page: Page, rows: Sequence[Answers]) -> Iterator[Item]:
    """Give one item per verdict by time, the largest differences first; then what CPU decides."""
    words = page.words
    for verdict in ORDER:
        chosen = [row for row in rows if row.time.verdict == verdict and row.by != "cpu"]
        if not chosen:
            continue
        if verdict in ("worse", "better"):
            chosen.sort(key=lambda row: -abs(row.time.cost.value - 1))
        yield _item(page, words(f"verdict.{verdict}"), verdict, chosen, len(rows))
    if by_cpu := [row for row in rows if row.by == "cpu"]:
        yield _item(page, words("answer.cpu_decides"), "", by_cpu, len(rows))


def _item(page: Page, label: str, kind: Kind, rows: Sequence[Answers], total: int) -> Item:
    share = page.words("findings.share", n=len(rows), total=total)
    parts = tuple(_part(page, row) for row in rows)
    return Item(f"{share} ", label=label, kind=kind, parts=parts, between=page.words("list.between"))


def _part(page: Page, row: Answers) -> str:
    """Tell a row: its cost if time is decided, else both answers."""
    words, time = page.words, row.time
    noted = own(page, time)
    case = page.spoken_case(case_of(time))
    cost = numbers.cost(time.cost)
    if time.verdict == "undecided":
        case, cost = f"{case} {numbers.DASH}", both(row, words)
        if row.by == "none" and (doubt := page.doubt(time)):
            cost = words("findings.doubt", told=cost, why=doubt)
    elif row.cpu is not None:
        cost = f"{cost}, {words('answer.cpu_cost', cost=numbers.cost(row.cpu.cost))}"
    return words("findings.item_noted" if noted else "findings.item", case=case, cost=cost, marks=noted)


def _open_questions(page: Page) -> Iterator[Item]:
    words, compared = page.words, page.summary.primary
    items = [*_skipped(page)]
    total = len(compared)
    if undecided := sum(row.by == "none" for row in page.summary.answers):
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
        yield Item(
            words("findings.unknown_skip", runner=runner, reason=page.woven(reason), cases=", ".join(cases))
        )
    if len(missing) > _MOST_SKIPS:
        yield Item(words("findings.unknown_more", n=len(missing) - _MOST_SKIPS))
