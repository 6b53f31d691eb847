"""Build the section on neighbours: the slowdowns of a victim by stressor, its runner, and the stressor's runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Paragraph, Section, Table
from tare.reports.summaries.neighbours import MEASURES, slowdowns
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.neighbours import Slowdowns


def section(page: Page) -> Section | None:
    """Build the table of all slowdowns; ``None`` if no neighbour was measured."""
    words, found = page.words, slowdowns(page.summary)
    if not found:
        return None
    rows, breaks = [], []
    for number, one in enumerate(found):
        if number and one.stressor != found[number - 1].stressor:
            breaks.append(number)
        where = (
            cells.runner(page, one.neighbour)
            if one.neighbour
            else Cell(words("neighbours.same"), kind="muted")
        )
        rows.append(
            (
                Cell(one.stressor),
                cells.runner(page, one.victim),
                where,
                cells.count(one.n),
                *(cells.ratio(one.by_measure.get(name), "") for name in MEASURES),
            )
        )
    heads = (
        *(words(f"neighbours.{name}") for name in ("stressor", "victim", "neighbour")),
        words("column.n"),
        *(
            words(f"neighbours.{name}")
            for name in ("throughput_apart", "throughput_shared", "latency_apart", "latency_shared")
        ),
    )
    table = Table(
        words("neighbours.caption"), heads, tuple(rows), numeric=tuple(range(3, len(heads))),
        keys=tuple(f"{one.workload}|{one.victim}|neighbours" for one in found), breaks=tuple(breaks),
    )  # fmt: skip
    return Section("neighbours", words("neighbours.title"), (Paragraph(words("neighbours.intro")), table))


def short(page: Page) -> Section | None:
    """Build the matrix of runners and stressors, computing apart from the neighbour; ``None`` if none was measured."""
    words = page.words
    found = [one for one in slowdowns(page.summary) if MEASURES[0] in one.by_measure]
    if not found:
        return None
    stressors = tuple(dict.fromkeys(one.stressor for one in found))
    rows = [
        (_where(page, pair), *(_cell(found, pair, stressor) for stressor in stressors))
        for pair in dict.fromkeys((one.victim, one.neighbour) for one in found)
    ]
    table = Table(
        words("neighbours.short_caption"), (words("column.runner"), *stressors), tuple(rows),
        numeric=tuple(range(1, len(stressors) + 1)),
    )  # fmt: skip
    return Section("neighbours", words("neighbours.title"), (table,))


def _where(page: Page, pair: tuple[str, str]) -> Cell:
    victim, neighbour = pair
    if not neighbour:
        return cells.runner(page, victim)
    return Cell(f"{victim} / {neighbour}", color=page.summary.display.color(victim))


def _cell(found: Sequence[Slowdowns], pair: tuple[str, str], stressor: str) -> Cell:
    for one in found:
        if (one.victim, one.neighbour) == pair and one.stressor == stressor:
            return cells.ratio(one.by_measure[MEASURES[0]], "")
    return Cell(DASH, kind="muted")
