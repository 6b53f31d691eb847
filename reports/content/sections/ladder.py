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
    from tare.results.judgement.rungs import RungCost
    from tare.results.statistics.estimates import Estimate


def section(page: Page) -> Section | None:
    """Build a table for each workload and the steps of the rungs, below the figure that opens the page; ``None`` below two rungs."""
    words, climbed = page.words, page.summary.ladder
    if not climbed:
        return None
    body: list[Node] = [Paragraph(words("ladder.intro", base=page.base))]
    body += [_table(page, case, rung_costs) for case, rung_costs in climbed.items()]
    body.append(Paragraph(words("ladder.note"), kind="muted"))
    body += _steps(page)
    return Section("ladder", words("ladder.title"), tuple(body))


def _table(page: Page, case: CaseKey, rung_costs: Sequence[RungCost]) -> Table:
    words = page.words
    return Table(
        f"{page.case_name(case)}: {rung_costs[0].metric}",
        (
            *(words(f"ladder.{name}") for name in ("rung", "below")),
            words("column.median"),
            *(words(f"ladder.{name}", base=page.base) for name in ("difference", "cost", "total")),
            words("column.n"),
        ),
        tuple(_row(words, rung, rung_costs) for rung in rung_costs),
        numeric=(2, 3, 4, 5, 6),
        keys=tuple(f"{case.label}|{rung.runner}|rise" for rung in rung_costs),
    )


def _row(words: Words, rung: RungCost, rung_costs: Sequence[RungCost]) -> tuple[Cell, ...]:
    names = {other.runner: rung_name(words, other) for other in rung_costs}
    difference = rung.difference
    return (
        Cell(names[rung.runner]),
        Cell(names.get(rung.below, rung.below), kind="muted"),
        cells.quantity(rung.value.value, rung.unit),
        Cell(DASH) if difference is None else _added(difference, rung.unit),
        cells.ratio(rung.cost, classify(rung.cost, 1.0)),
        cells.ratio(rung.total, "muted"),
        cells.count(rung.cost.n),
    )


def _added(difference: Estimate, unit: str) -> Cell:
    made = cells.estimate(difference, unit)
    return replace(made, text=f"+{made.text}") if difference.value > 0 else made


def _steps(page: Page) -> tuple[Node, ...]:
    """List what each rung does that the one below does not, as the runner describes it."""
    rung_costs = next(iter(page.summary.ladder.values()))
    items = []
    for rung in rung_costs:
        steps, lower = (_steps_of(page, runner) for runner in (rung.runner, rung.below))
        new = [step for step in steps if step not in lower]
        if new:
            told = page.words.row(map(page.recorded, new))
            items.append(Item(told, label=rung_name(page.words, rung), recorded=True))
    return (Details(page.words("ladder.steps"), (Bullets(tuple(items)),)),) if items else ()


def _steps_of(page: Page, runner: str) -> tuple[str, ...]:
    probe = page.summary.given.manifest.probes.get(runner)
    return probe.steps if probe else ()
