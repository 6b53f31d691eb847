"""Build the section on the isolation ladder: what each rung adds, and the cost of all rungs so far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.summaries.ladder import classify, rung_name
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.reports.text.words import Words
    from tare.results.judgement.rungs import Rise
    from tare.results.statistics.estimates import Estimate


def section(page: Page) -> Section | None:
    """Build the figure, a table for each workload, and the steps of the rungs; ``None`` below two rungs."""
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
        f"{page.case_name(case)}: {rises[0].metric}",
        (
            *(words(f"ladder.{name}") for name in ("rung", "below")),
            words("column.median"),
            *(words(f"ladder.{name}", base=page.base) for name in ("difference", "cost", "total")),
            words("column.n"),
        ),
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
        cells.quantity(rise.value.value, rise.unit),
        Cell(DASH) if difference is None else _added(difference, rise.unit),
        cells.ratio(rise.cost, classify(rise.cost, 1.0)),
        cells.ratio(rise.total, "muted"),
        cells.count(rise.cost.n),
    )


def _added(difference: Estimate, unit: str) -> Cell:
    made = cells.estimate(difference, unit)
    return replace(made, text=f"+{made.text}") if difference.value > 0 else made


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
