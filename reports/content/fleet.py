"""Build the page of a campaign: what boxes cost on each class of hosts, what became of each host, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.content.finishing import all_finished
from tare.reports.content.nodes import Cell, Headline, Section, Table
from tare.reports.summaries.names import titled
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH
from tare.reports.text.repeated import repeat
from tare.results.said import Name
from tare.results.statistics.exponents import expm1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.model import Kind
    from tare.reports.text.words import Words
    from tare.results.judgement.across_hosts import ClassCost
    from tare.results.storage.fleet import FleetHost


_COSTS_FIRST = 3
"""Decided costs that the headline names; those of one host alone say nothing of its class."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Hold why a runner was not measured on some hosts."""

    runner: str
    reason: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetPage:
    """Hold what the page of a campaign shows."""

    hosts: Sequence[FleetHost]
    trials: Mapping[str, int]
    """Host → number of its good trials."""
    costs: Sequence[ClassCost]
    titles: Mapping[tuple[str, bytes], str]
    """Workload and parameters → name of the case."""
    colors: Mapping[str, str]
    """Runner → its colour."""
    reports: Mapping[str, str]
    """Run → page of its report, relative to this one; empty: none."""
    skipped: Sequence[Skipped]


def sections(page: FleetPage, words: Words) -> tuple[Section, ...]:
    """Build the page, the answer first."""
    done = sum(host.status == "complete" for host in page.hosts)
    classes = len({host.host_class for host in page.hosts if host.host_class})
    decided = [one for one in page.costs if one.verdict != "undecided" and len(one.hosts) > 1]
    head = [_told(page, one, words) for one in decided[:_COSTS_FIRST]]
    head.append(words("fleet.headline", done=done, hosts=len(page.hosts), classes=classes))
    head += [
        words(
            "fleet.not_done",
            host=host.host,
            status=words(f"fleet_status.{host.status}"),
            reason=repeat(host.reason, words),
        )
        for host in page.hosts
        if host.status != "complete"
    ]
    body = [Section("answer", "", (Headline(tuple(head)),))]
    if page.costs:
        body.append(Section("classes", "", (_classes(page, words),)))
        body.append(Section("each-host", words("fleet.each"), (_each(page, words),)))
    body.append(Section("hosts", words("fleet.hosts"), (_hosts(page, words),)))
    if page.skipped:
        body.append(Section("skips", words("skips.title"), (_skips(page, words),)))
    return all_finished(body, words)


def _told(page: FleetPage, one: ClassCost, words: Words) -> str:
    case, runner, what = (cell.text for cell in _case(page, one, words))
    cost = numbers.ratio(one.cost.value, width=numbers.width_of(one.cost))
    span = numbers.interval(one.cost, "ratio")
    return words(
        "fleet.told",
        case=case,
        runner=runner,
        cost=f"{cost} ({span})" if span else cost,
        what=what,
        host_class=one.host_class,
        n=len(one.hosts),
    )


_KINDS: dict[str, Kind] = {"worse": "worse", "better": "better", "same": "same", "undecided": "undecided"}


def _case(page: FleetPage, one: ClassCost, words: Words) -> tuple[Cell, Cell, Cell]:
    key = one.key
    return (
        Cell(Name(titled(key.workload, page.titles[key.workload, key.parameters], words)), recorded=True),
        Cell(Name(key.runner), color=page.colors.get(key.runner, ""), recorded=True),
        Cell(words("fleet.time" if key.what == "time" else "short.cpu")),
    )


def _classes(page: FleetPage, words: Words) -> Table:
    names = ("what", "cost", "host_class", "spread", "n")
    columns = (words("column.workload"), words("column.runner"), *(words(f"fleet.{one}") for one in names))
    rows = []
    for one in page.costs:
        case, runner, what = _case(page, one, words)
        spread = DASH if one.spread is None else numbers.percent(expm1(one.spread))
        few = words("fleet.one_host") if len(one.hosts) == 1 else words("fleet.too_few")
        wide = one.cost.low is not None and len(one.hosts) > 1
        detail = numbers.interval(one.cost, "ratio")
        rows.append(
            (
                case,
                runner,
                what,
                Cell(
                    numbers.ratio(one.cost.value, width=numbers.width_of(one.cost)),
                    detail=detail if wide else f"{detail} {few}".strip(),
                    value=one.cost.value,
                    low=one.cost.low,
                    high=one.cost.high,
                    kind=_KINDS[one.verdict],
                ),
                Cell(Name(one.host_class), recorded=True),
                Cell(spread, value=one.spread),
                Cell(str(len(one.hosts)), value=len(one.hosts)),
            )
        )
    return Table(words("fleet.classes_caption"), columns, tuple(rows), numeric=(3, 5, 6), form="classes")


def _each(page: FleetPage, words: Words) -> Table:
    columns = (
        words("column.workload"),
        words("column.runner"),
        *(words(f"fleet.{one}") for one in ("what", "host", "host_class", "cost")),
    )
    rows = []
    for one in page.costs:
        case, runner, what = _case(page, one, words)
        for each in one.hosts:
            cost = Cell(
                numbers.ratio(each.cost.value, width=numbers.width_of(each.cost)),
                detail=numbers.interval(each.cost, "ratio"),
                value=each.cost.value,
                low=each.cost.low,
                high=each.cost.high,
            )
            host, of_class = Cell(Name(each.host), recorded=True), Cell(Name(one.host_class), recorded=True)
            rows.append((case, runner, what, host, of_class, cost))
    return Table(words("fleet.each_caption"), columns, tuple(rows), numeric=(5,), form="sheet")


def _hosts(page: FleetPage, words: Words) -> Table:
    columns = tuple(words(f"fleet.{one}") for one in ("host", "host_class", "status", "trials", "run"))
    rows = []
    for host in page.hosts:
        kind: Kind = "" if host.status == "complete" else "worse"
        run = host.runs[0] if host.runs else ""
        rows.append(
            (
                Cell(Name(host.host), recorded=True),
                Cell(Name(host.host_class or DASH), recorded=True),
                Cell(
                    words(f"fleet_status.{host.status}"),
                    detail=repeat(host.reason, words),
                    kind=kind,
                    recorded=True,
                ),
                Cell(str(page.trials.get(host.host, 0)), value=page.trials.get(host.host, 0)),
                Cell(
                    Name(run or DASH),
                    detail=", ".join(host.runs[1:]),
                    target=page.reports.get(run, ""),
                    recorded=True,
                ),
            )
        )
    return Table(words("fleet.hosts_caption"), columns, tuple(rows), numeric=(3,))


def _skips(page: FleetPage, words: Words) -> Table:
    columns = (words("column.runner"), words("skips.reason"), words("fleet.hosts"))
    rows = tuple(
        (
            Cell(Name(one.runner), recorded=True),
            Cell(one.reason, recorded=True),
            Cell(Name(", ".join(one.hosts)), recorded=True),
        )
        for one in page.skipped
    )
    return Table(words("fleet.skips_caption"), columns, rows)
