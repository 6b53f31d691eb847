"""Build the page of a history: what changed and since when, one small chart per workload, and a table."""

from __future__ import annotations

import datetime
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content.finishing import all_finished
from tare.reports.content.nodes import (
    Bullets,
    Cell,
    Chart,
    ChartLine,
    ChartPoint,
    Charts,
    Headline,
    Item,
    Paragraph,
    Section,
    Table,
)
from tare.reports.summaries.names import titled
from tare.reports.text import numbers
from tare.results.said import Name
from tare.results.statistics.changepoints import FEWEST_RUNS
from tare.results.stores.model import COMMIT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tare.reports.model import Kind
    from tare.reports.text.words import Words

_CHANGES_FIRST = 3
"""Changes that the headline names."""

_ALIKE = 4.0
"""Ratio between the levels of the runners of one chart. Beside a guest that takes forty times as long, the others' lines would
be flat whatever they did."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """Hold what one run added to a series."""

    run: str
    name: str
    seconds: float
    """Start in seconds since the epoch."""
    commit: str
    median: float
    low: float
    high: float
    """Ends of the spread that the point shows: the quartiles of the run's values."""
    values: int
    report: str
    """Page of its report, relative to this one; empty: none."""
    change: Kind = ""
    ratio: float = 1.0
    """Ratio of the level since this run to the level before; 1 without a change."""


@dataclass(frozen=True, slots=True)
class PastSeries:
    """Hold one metric of one workload under one runner over all runs, oldest first."""

    case: str
    """Name of the workload with its parameters."""
    metric: str
    unit: str
    runner: str
    color: str
    runs: tuple[PastRun, ...]

    @property
    def key(self) -> str:
        """Key by which a link leads to the series."""
        return f"{self.case}|{self.runner}|{self.metric}"


def sections(series: Sequence[PastSeries], left_out: Sequence[str], words: Words) -> tuple[Section, ...]:
    """Build the page, what changed last first."""
    changed = [(one, run) for one in series for run in one.runs if run.change]
    changed.sort(key=lambda pair: pair[1].seconds, reverse=True)
    head = [*_answer(series, len(changed), words)]
    head += [_told(one, run, words) for one, run in changed[:_CHANGES_FIRST]]
    groups: dict[str, list[PastSeries]] = {}
    for one in series:
        groups.setdefault(f"{one.case} · {one.metric}", []).append(one)
    ordered = sorted(groups.items(), key=lambda named: -max(map(_last_change, named[1])))
    drawn = [(title, alike) for title, group in ordered for alike in _by_level(group)]
    charts = Charts(tuple(_chart(title, group, words) for title, group in drawn))
    every = {run.run: run.report for one in series for run in one.runs}
    without = [run for run, report in every.items() if not report]
    lead = "history.leads_some" if without else "history.leads"
    how = Paragraph(
        words(lead, n=len(without), runs=len(every), run=without[-1] if without else ""), kind="muted"
    )
    body = [Section("answer", "", (Headline(tuple(head)),)), Section("over-time", "", (charts, how))]
    if changed:
        items = tuple(Item(_told(one, run, words), kind=run.change) for one, run in changed)
        body.append(Section("changes", words("history.all_changes"), (Bullets(items),)))
    chart_of = {one.key: _chart_key(title, group) for title, group in drawn for one in group}
    body.append(Section("table", words("history.series"), (_table(series, chart_of, words),)))
    if left_out:
        body.append(
            Section(
                "left-out",
                words("history.left_out"),
                (Bullets(tuple(Item(text, recorded=True) for text in left_out)),),
            )
        )
    return all_finished(body, words)


def _answer(series: Sequence[PastSeries], changes: int, words: Words) -> Iterator[str]:
    """Say how much changed, and what was too short to be searched."""
    runs = len({run.run for one in series for run in one.runs})
    short = sum(len(one.runs) < FEWEST_RUNS for one in series)
    if short == len(series):
        yield words("history.few", runs=runs, fewest=FEWEST_RUNS)
        return
    if changes:
        yield words("history.changes", n=changes, series=len(series), runs=runs)
    else:
        yield words("history.none", series=len(series), runs=runs)
    if short:
        yield words("history.some_few", n=short, series=len(series), fewest=FEWEST_RUNS)


def _by_level(group: Sequence[PastSeries]) -> list[list[PastSeries]]:
    """Part the runners of a workload into those whose values lie close enough to be seen on one scale, in their order."""
    found: list[list[PastSeries]] = []
    lowest = 0.0
    for one in sorted(group, key=_level):
        if not found or _level(one) > _ALIKE * lowest:
            found.append([])
            lowest = _level(one)
        found[-1].append(one)
    return [sorted(some, key=group.index) for some in found]


def _level(one: PastSeries) -> float:
    return abs(statistics.median(run.median for run in one.runs))


def _chart_key(title: str, group: Sequence[PastSeries]) -> str:
    """Make the key by which links lead to a chart: those of one workload differ by their runners."""
    return f"{title}|{group[0].runner}"


def _case(one: PastSeries, words: Words) -> str:
    return titled(one.case, one.case, words)


def _last_change(one: PastSeries) -> float:
    return max((run.seconds for run in one.runs if run.change), default=-1.0)


def _since(run: PastRun, words: Words) -> str:
    """Name a run for people: by its own name and date, or by its id, which has the date; and its commit."""
    date = datetime.datetime.fromtimestamp(run.seconds, datetime.UTC).strftime("%Y-%m-%d")
    named = words("history.dated", name=run.name, date=date) if run.name else run.run
    return named + (words("history.commit", commit=run.commit[:COMMIT_CHARACTERS]) if run.commit else "")


def _told(one: PastSeries, run: PastRun, words: Words) -> str:
    return words(
        f"history.{run.change}", what=f"{_case(one, words)} · {one.runner}", metric=one.metric,
        change=numbers.change(run.ratio), since=_since(run, words),
    )  # fmt: skip


def _chart(title: str, group: Sequence[PastSeries], words: Words) -> Chart:
    lines = tuple(
        ChartLine(one.runner, one.color, tuple(_point(run, one.unit, words) for run in one.runs))
        for one in group
    )
    changes = tuple(
        Item(
            words("history.mark", change=numbers.change(run.ratio), since=_since(run, words)),
            label=one.runner if len(group) > 1 else "",
            kind=run.change,
        )
        for one in group
        for run in one.runs
        if run.change
    )
    return Chart(
        _chart_key(title, group),
        f"{_case(group[0], words)} · {group[0].metric}",
        group[0].unit,
        lines,
        changes,
    )


def _point(run: PastRun, unit: str, words: Words) -> ChartPoint:
    value = numbers.quantity(run.median, unit, width=(run.high - run.low) or None)
    parts = (
        value,
        words("history.quartiles", span=numbers.span(run.low, run.high, unit), n=run.values),
        f"{run.run} ({run.name})" if run.name else run.run,
        *((run.commit[:COMMIT_CHARACTERS],) if run.commit else ()),
    )
    return ChartPoint(run.seconds, run.median, run.low, run.high, ", ".join(parts), run.report, run.change)


def _table(series: Sequence[PastSeries], chart_of: Mapping[str, str], words: Words) -> Table:
    """List the series; ``chart_of``: series → key of the chart that shows it."""
    names = ("metric", "first", "last", "runs", "last_change")
    columns = (
        words("column.workload"),
        words("column.runner"),
        *(words(f"history.{name}") for name in names),
    )
    rows = []
    for one in series:
        changes = [run for run in one.runs if run.change]
        last = (
            Cell(_told(one, changes[-1], words), kind=changes[-1].change)
            if changes
            else Cell("–", kind="muted")
        )
        rows.append(
            (
                Cell(Name(_case(one, words)), recorded=True, link=chart_of[one.key]),
                Cell(Name(one.runner), color=one.color, recorded=True),
                Cell(Name(one.metric), recorded=True),
                Cell(numbers.quantity(one.runs[0].median, one.unit), value=one.runs[0].median),
                Cell(numbers.quantity(one.runs[-1].median, one.unit), value=one.runs[-1].median),
                Cell(str(len(one.runs)), value=len(one.runs)),
                last,
            )
        )
    keys = tuple(one.key for one in series)
    return Table(words("history.caption"), columns, tuple(rows), numeric=(3, 4, 5), keys=keys)
