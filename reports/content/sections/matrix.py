"""Build the matrix: what each runner costs in each family of workloads, one answer a cell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.headline import kind_of
from tare.reports.summaries.matrix import ABSOLUTE, DENSITY, FAMILIES, ISOLATION, STARTUP, estimate_of_base
from tare.reports.text import numbers
from tare.reports.text.answers import both, says_nothing

if TYPE_CHECKING:
    from tare.reports.content.page import Page
    from tare.reports.model import Kind
    from tare.reports.summaries.matrix import Attempts, Matrix, Standing
    from tare.results.judgement.comparison import Comparison, Verdict

MARKS: dict[Verdict, str] = {"worse": "▲", "better": "▼", "same": "≈", "undecided": "?"}
"""Verdict → the sign that tells it without colour."""

NAMES = {one.name for one in FAMILIES}

REMEDIES = (DENSITY,)
"""Families that a default run leaves out, and that a run with ``-k`` measures."""


def section(page: Page) -> Section | None:
    """Build the matrix with its legend; ``None`` if nothing was compared and no attempts were made.

    A run of the isolation ladder opens with the ladder: its rungs are steps, and as rows they would all look alike.
    """
    found = page.summary.matrix
    if not found.families or not found.runners:
        return None
    words = page.words
    own, usual = words("matrix.own_legend", base=found.base), words("matrix.legend", base=found.base)
    legend = own if _own(found) else usual
    if ISOLATION in found.families:
        legend = f"{legend} {words('matrix.isolation')}"
    body: list[Node] = [_table(page, found, brief=False), Paragraph(legend, "muted")]
    if found.missing and not _own(found) and page.summary.given.manifest.mode != "imported":
        body.append(_missing(page, found))
    if page.summary.ladder and (picture := page.picture("ladder")):
        caption = page.words("matrix.caption", base=found.base)
        return Section("answer", "", (*picture, Details(caption, tuple(body))))
    return Section("answer", "", tuple(body))


def short(page: Page) -> Section | None:
    """Build the matrix alone, its cells in one line each, for terminals."""
    found = page.summary.matrix
    if not found.families or not found.runners:
        return None
    return Section("answer", "", (_table(page, found, brief=True),))


def _table(page: Page, found: Matrix, *, brief: bool) -> Table:
    words = page.words
    rows = [
        (
            _runner(page, runner, brief=brief),
            *(_cell(page, found, runner, family, brief=brief) for family in found.families),
        )
        for runner in found.runners
    ]
    if not brief and (ABSOLUTE | {ISOLATION}) & set(found.families):
        rows.insert(
            0, (_runner(page, found.base, brief=False), *(_base(page, found, one) for one in found.families))
        )
    heads = tuple(words(f"family.{one}") if one in NAMES else one for one in found.families)
    return Table(
        words("matrix.own_caption", base=found.base)
        if _own(found)
        else words("matrix.caption", base=found.base),
        (words("column.runner"), *heads),
        tuple(rows),
        form="matrix",
        numeric=tuple(range(1, len(heads) + 1)) if brief else (),
    )


def _own(found: Matrix) -> bool:
    """Tell whether the columns are a user's own workloads, beside which there is at most the start-up."""
    return not (NAMES - {STARTUP}) & set(found.families) and found.families != (STARTUP,)


def _runner(page: Page, runner: str, *, brief: bool) -> Cell:
    """Name the runner with its kind, so that a reader needs no list of runners."""
    kind = "base" if runner == page.base else kind_of(page.summary, runner)
    known = kind if kind != "base" else page.summary.display.kind(runner)
    detail = page.words(f"kind.{known}") if known and known != "other" else ""
    return cells.runner(page, runner, detail="" if brief else detail)


def _cell(page: Page, found: Matrix, runner: str, family: str, *, brief: bool) -> Cell:
    if family == ISOLATION:
        return _isolation(page, found.isolation.get(runner), brief=brief)
    standing = found.cells.get((runner, family))
    if standing is None:
        return Cell(numbers.DASH, kind="muted", hint=page.words("matrix.not_measured"))
    cost = standing.comparison.cost
    text = f"{MARKS[standing.verdict]} {numbers.ratio(cost.value, width=numbers.width_of(cost))}"
    time = standing.row.time
    if brief:
        return Cell(text, kind=standing.verdict)
    return Cell(
        text,
        detail=_detail(page, standing),
        where=_where(page, standing),
        value=cost.value,
        low=cost.low,
        high=cost.high,
        kind=standing.verdict,
        link=key_of(time),
        hint="\n".join(
            f"{page.spoken_case(case_of(row.time))}: {both(row, page.words)}" for row in standing.rows
        ),
    )


def _detail(page: Page, standing: Standing) -> str:
    """Give the value where a family is known by it, else the bounds, or how few values there are for any."""
    if standing.family in ABSOLUTE:
        time = standing.row.time
        return numbers.quantity(
            time.subject_value.value, time.unit, width=numbers.width_of(time.subject_value)
        )
    cost = standing.comparison.cost
    if standing.verdict == "undecided" and says_nothing(cost):
        return page.words("matrix.too_wide")
    return numbers.interval(cost, "ratio") or page.words("matrix.no_interval", n=cost.n)


def _where(page: Page, standing: Standing) -> str:
    """Name the workload that the bounds belong to where a family has several, and tell if they are those of CPU."""
    if standing.family in ABSOLUTE:
        return ""
    name = case_of(standing.row.time).workload if len(standing.rows) > 1 else ""
    return " · ".join(filter(None, (name, page.words("short.cpu") if standing.by_cpu else "")))


def _base(page: Page, found: Matrix, family: str) -> Cell:
    """Make a cell of the base's row: its own value where there is one, else the ratio that all others refer to."""
    if family == ISOLATION:
        return _isolation(page, found.isolation.get(found.base), brief=False)
    known = estimate_of_base(found, family) if family in ABSOLUTE else None
    if known is None:
        return Cell(f"1{numbers.TIMES}", kind="muted")
    value, unit = known
    text = numbers.quantity(value.value, unit, width=numbers.width_of(value))
    return Cell(f"1{numbers.TIMES}", detail=text, kind="muted")


def _isolation(page: Page, found: Attempts | None, *, brief: bool) -> Cell:
    words = page.words
    if found is None:
        return Cell(numbers.DASH, kind="muted", hint="" if brief else words("matrix.not_measured"))
    kind: Kind = "better" if not found.open else ""
    text = words("matrix.open", n=found.open)
    if brief:
        return Cell(text, kind=kind)
    return Cell(text, detail=words("matrix.of", n=found.total), value=found.open, kind=kind, link="isolation")


def _missing(page: Page, found: Matrix) -> Paragraph:
    """Name the families without a number, with the command that measures what a default run leaves out."""
    words = page.words
    names = ", ".join(words(f"family.{one}") for one in found.missing)
    wanted = [one for one in found.missing if one in REMEDIES]
    if not wanted:
        return Paragraph(words("matrix.missing", names=names), "muted")
    command = f"tare run -k {shlex.quote(' or '.join(wanted))}"
    return Paragraph(words("matrix.missing_how", names=names, command=command), "muted")


def key_of(comparison: Comparison) -> str:
    """Give the key of a comparison's row: ``workload|runner|metric``."""
    return f"{case_of(comparison).label}|{comparison.runner}|{comparison.metric}"
