"""The isolation ladder: what each rung adds by itself, and what has piled up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.summaries.ladder import rung_name, tells
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import Rise
    from tare.results.statistics.estimates import Estimate

_COLUMNS = ("rung", "below", "median", "difference", "cost", "total", "n")


def section(page: Page) -> Section | None:
    """The figure, a table for each workload, and the steps behind the rungs; nothing below two rungs."""
    words, climbed = page.words, page.summary.ladder
    if not climbed:
        return None
    body: list[Node] = [Paragraph(words("ladder.intro", base=page.base)), *page.picture("ladder")]
    body += [_table(page, case, rises) for case, rises in climbed.items()]
    body.append(Paragraph(words("ladder.note"), kind="muted"))
    body += _steps(page)
    return Section("ladder", words("ladder.title"), tuple(body))


def _table(page: Page, case: CaseKey, rises: Sequence[Rise]) -> Table:
    words = page.words
    return Table(
        f"{case.label}: {rises[0].metric}",
        tuple(words(f"ladder.{name}", base=page.base) for name in _COLUMNS),
        tuple(_row(words, rise, rises) for rise in rises),
        numeric=(2, 3, 4, 5, 6),
        keys=tuple(f"{case.label}|{rise.runner}|rise" for rise in rises),
    )


def _row(words: Words, rise: Rise, rises: Sequence[Rise]) -> tuple[Cell, ...]:
    names = {other.runner: rung_name(words, other) for other in rises}
    difference = rise.difference
    return (
        Cell(names[rise.runner]),
        Cell(names.get(rise.below, rise.below), kind="muted"),
        Cell(numbers.quantity(rise.value.value, rise.unit), value=rise.value.value),
        Cell(DASH)
        if difference is None
        else Cell(
            _more(difference, rise.unit),
            detail=_ends(difference, rise.unit),
            value=difference.value,
            low=difference.low,
            high=difference.high,
        ),
        _ratio(rise.cost, tells(rise.cost, 1.0)),
        _ratio(rise.total, "muted"),
        Cell(str(rise.cost.n), value=rise.cost.n),
    )


def _ratio(given: Estimate, kind: Kind) -> Cell:
    width = None if given.low is None or given.high is None else given.high - given.low
    return Cell(
        numbers.ratio(given.value, width=width),
        detail=_ends(given, "ratio"),
        value=given.value,
        low=given.low,
        high=given.high,
        kind=kind,
    )


def _more(given: Estimate, unit: str) -> str:
    width = None if given.low is None or given.high is None else given.high - given.low
    return ("+" if given.value > 0 else "") + numbers.quantity(given.value, unit, width=width)


def _ends(given: Estimate, unit: str) -> str:
    if given.low is None or given.high is None:
        return ""
    return numbers.span(given.low, given.high, unit, like=given.value)


def _steps(page: Page) -> tuple[Node, ...]:
    """List what each rung does that the one below does not, as the runner describes it."""
    rises = next(iter(page.summary.ladder.values()))
    items = []
    for rise in rises:
        steps, lower = (_steps_of(page, runner) for runner in (rise.runner, rise.below))
        new = [step for step in steps if step not in lower]
        if new:
            items.append(Item("; ".join(new), label=rung_name(page.words, rise), recorded=True))
    return (Details(page.words("ladder.steps"), (Bullets(tuple(items)),)),) if items else ()


def _steps_of(page: Page, runner: str) -> tuple[str, ...]:
    probe = page.summary.given.manifest.probes.get(runner)
    return probe.steps if probe else ()
