"""Build the overhead section: workload × runner, with intervals, noise floor, n and verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.content.sections.matrix import NAMES, key_of
from tare.reports.content.sections.notes import own
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.matrix import APART, family_of
from tare.reports.summaries.waiting import explaining
from tare.reports.text import numbers
from tare.reports.text.answers import both, span_of_time
from tare.results.said import Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.content.page import Page
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison

NUMERIC = (2, 3, 4, 5, 6)


def section(page: Page) -> Section | None:
    """Build the figure and the table of the judged metrics, with all metrics folded; ``None`` without comparisons."""
    words, summary = page.words, page.summary
    if not summary.compared:
        return None
    body: list[Node] = [Paragraph(words("overhead.intro", base=page.base)), *page.picture("overhead")]
    body.append(_table(page, summary.primary, words("overhead.caption"), why=False))
    body += _commands(page)
    body += _sources(page)
    methods = words.row(sorted({page.recorded(c.cost.method) for c in summary.primary}))
    unit = words("overhead.unit_blocks")
    body.append(Paragraph(words("overhead.method", method=methods, unit=unit), kind="muted"))
    if len(summary.compared) > len(summary.primary):
        body.append(_every(page))
    return Section("overhead", words("overhead.title"), tuple(body))


def _every(page: Page) -> Details:
    """Build the table of all metrics, folded; comparisons without a ratio are counted instead of listed."""
    words, compared = page.words, page.summary.compared
    told = [one for one in compared if math.isfinite(one.cost.value)]
    every = _table(page, told, words("overhead.all_caption", base=page.base), why=True)
    body: list[Node] = [replace(every, form="sheet", keys=(), breaks=())]
    if without := len(compared) - len(told):
        body.insert(0, Paragraph(words("overhead.no_ratio", n=without), kind="muted"))
    return Details(words("overhead.all", n=len(told)), tuple(body))


def _table(page: Page, found: Sequence[Comparison], caption: str, *, why: bool) -> Table:
    """Build one table; ``why`` puts the recorded reason of each verdict in the place of its threshold."""
    words = page.words
    rows: list[tuple[Cell, ...]] = []
    keys, breaks = [], []
    for _group, group in groupby(found, key=lambda c: (case_of(c), c.metric)):
        breaks.append(len(rows))
        for index, comparison in enumerate(group):
            rows.append(_row(page, comparison, first=index == 0, why=why))
            keys.append(key_of(comparison))
    heads = (
        *(words(f"column.{name}") for name in ("workload", "runner", "median")),
        page.base,
        words("overhead.cost"),
        words("overhead.floor"),
        words("column.n"),
        *(() if why else (words("overhead.cpu"),)),
        words("overhead.verdict"),
    )
    numeric = NUMERIC if why else (*NUMERIC, 7)
    return Table(
        caption,
        heads,
        tuple(rows),
        numeric=numeric,
        keys=tuple(keys),
        breaks=tuple(breaks[1:]),
        form="costs",
        groups=_families(page, found),
    )


def _families(page: Page, found: Sequence[Comparison]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Name the families of the rows' workloads as the matrix does, each with its workloads."""
    named: dict[str, dict[str, None]] = {}
    for comparison in found:
        case = case_of(comparison)
        name = family_of(comparison.family, case) or comparison.family
        title = page.words(f"family.{name}") if name in NAMES | APART else name
        named.setdefault(title, {})[page.case_name(case)] = None
    return tuple((title, tuple(cases)) for title, cases in named.items())


def _row(page: Page, comparison: Comparison, *, first: bool, why: bool) -> tuple[Cell, ...]:
    name = page.case_name(case_of(comparison))
    return (
        Cell(name, detail=comparison.metric, kind="" if first else "muted"),
        cells.runner(page, comparison.runner),
        cells.estimate(comparison.subject_value, comparison.unit),
        cells.estimate(comparison.base_value, comparison.unit),
        cells.ratio(comparison.cost, comparison.verdict),
        cells.ratio(comparison.floor, "muted"),
        cells.count(comparison.cost.n),
        *((_reason(page, comparison),) if why else _answers(page, comparison)),
    )


def _reason(page: Page, comparison: Comparison) -> Cell:
    """Make the verdict's cell with its recorded reason."""
    return Cell(
        page.words(f"verdict.{comparison.verdict}"),
        detail=page.words.row(filter(None, (page.briefly(comparison.because), _noted(page, comparison)))),
        kind=comparison.verdict,
        recorded=True,
    )


def _answers(page: Page, comparison: Comparison) -> tuple[Cell, Cell]:
    """Make the cells of CPU and of both verdicts: what is known, and what an answer would cost."""
    words = page.words
    row = next(one for one in page.summary.answers if one.time is comparison)
    remarks = [words("overhead.threshold", threshold=numbers.percent(comparison.threshold))]
    if row.by == "none":
        remarks.insert(0, _price(page, row))
        if doubt := page.doubt(comparison):
            remarks.insert(0, words("answer.time", told=doubt))
    if share := explaining(row, page.summary.waited):
        remarks.append(words("answer.waited", share=numbers.percent(round(share, 2))))
    if row.inside is not None:
        remarks.append(words("answer.inside", told=numbers.cost(row.inside.cost)))
    if (quotient := unlike_quotient(comparison)) is not None:
        remarks.append(words("overhead.quotient", quotient=numbers.ratio(quotient)))
    remarks.append(_noted(page, comparison))
    decides = row.cpu if row.cpu is not None and row.by == "cpu" else comparison
    # A verdict by time alone needs no sentence: the columns have its numbers.
    plain = row.cpu is None and row.by != "none"
    text = words(f"verdict.{comparison.verdict}") if plain else both(row, words)
    cpu = cells.ratio(None if row.cpu is None else row.cpu.cost, "" if row.cpu is None else row.cpu.verdict)
    return cpu, Cell(text, detail=words.row(filter(None, remarks)), kind=decides.verdict)


def unlike_quotient(comparison: Comparison) -> float | None:
    """Give the cost by the medians of all trials where the interval, which is formed within blocks, is not near it."""
    cost, ours, base = comparison.cost, comparison.subject_value.value, comparison.base_value.value
    if cost.low is None or cost.high is None or not (math.isfinite(ours) and ours > 0 and base > 0):
        return None
    quotient = ours / base if comparison.direction == "lower" else base / ours
    room = 1 + comparison.threshold
    near = cost.low / room <= quotient <= cost.high * room
    return None if near or not math.isfinite(quotient) else quotient


def _price(page: Page, row: Answers) -> str:
    """Tell in short what an answer would cost."""
    words, price = page.words, page.summary.prices.cheapest(row)
    if price is None:
        return words("answer.price_unknown")
    if price.seconds is None:
        return words("answer.price_blocks", blocks=numbers.about(price.blocks))
    return words("answer.price", blocks=numbers.about(price.blocks), time=span_of_time(price.seconds, words))


def _noted(page: Page, comparison: Comparison) -> str:
    noted = own(page, comparison)
    return page.words("overhead.noted", marks=noted) if noted else ""


def _commands(page: Page) -> tuple[Node, ...]:
    """Show the command lines of the user's own workloads, which only their names stand for elsewhere."""
    words = page.words
    rows = {}
    for one in page.summary.primary:
        known = {**page.summary.given.parameters.get(one.workload, {}), **one.parameters}
        if command := known.get("command"):
            server, client = known.get("server"), known.get("client", "")
            detail = words("overhead.with_server", server=server, client=client) if server else ""
            name = page.case_name(case_of(one))
            rows[name] = (Cell(name), Cell(Name(command), detail=detail, recorded=True))
    if not rows:
        return ()
    title, columns = words("overhead.commands"), (words("column.workload"), words("overhead.command"))
    return (Details(title, (Table(title, columns, tuple(rows.values())),)),)


def _sources(page: Page) -> tuple[Node, ...]:
    """Name where CPU time was read; nothing without any."""
    words, found = page.words, page.summary.cpu_sources
    if not found:
        return ()
    told = []
    for (metric, source), runners in found.items():
        key = f"answer.source.{source}"
        where = words(key) if words.has(key) else source
        told.append(words("answer.read", metric=metric, where=where, runners=", ".join(runners)))
    return (Paragraph(words("answer.sources", sources=words.row(told)), kind="muted"),)
