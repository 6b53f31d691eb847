"""Build the section on the hypervisor: KVM baseline cost, exits beside the measured loss, steal, a guest's memory.

The model of exits is of first order: the exits of a job, by class, times what an exit of that class costs the micro
guest on this host, as a share of the job's time. Beside it stands the share that was lost against the base. A loss that
exits do not explain has other causes: nested page tables, cold caches, device models, or an emulated kernel mode.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content import cells
from tare.reports.content.nodes import Bullets, Cell, Details, Item, Node, Paragraph, Section, Table
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.exits import BASELINE, Exits, exits
from tare.reports.summaries.runners import series_name
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.results.environment import KvmBaseline
    from tare.results.judgement.comparison import Comparison


def section(page: Page) -> Section | None:
    """Build the section; ``None`` if no runner of the run asked KVM or is a guest."""
    baseline = page.summary.kvm_baseline
    memory = _memory(page)
    found = exits(page.summary)
    if baseline is None and not found and memory is None:
        return None
    words = page.words
    body: list[Node] = []
    if baseline is not None:
        body += _baseline(page, baseline)
    if found:
        body += [
            Paragraph(words("guests.exits_intro")),
            _exits(page, found, baseline.figures if baseline else {}),
        ]
    elif baseline is not None:
        body.append(Paragraph(words("guests.no_exits"), kind="muted"))
    if memory is not None:
        body.append(
            Details(words("guests.memory_caption"), (Paragraph(words("guests.memory_intro")), memory))
        )
    return Section("guests", words("guests.title"), tuple(body))


def _quoted(page: Page, reason: str) -> tuple[Node, ...]:
    """Quote a reason below the sentence that could not hold it in the page's language; nothing on other pages."""
    if page.words.language == "en" or page.recorded(reason) != reason:
        return ()
    return (Bullets((Item(reason, recorded=True),)),)


def _baseline(page: Page, baseline: KvmBaseline) -> list[Node]:
    words = page.words
    rows = tuple(
        (
            Cell(words(f"guests.baseline_{name}")),
            cells.quantity(baseline.figures.get(f"{name}_seconds"), "s"),
        )
        for name in BASELINE
    )
    state = "usable" if baseline.usable else "unusable" if baseline.present else "absent"
    table = Table(
        words("guests.baseline_caption"),
        (words("guests.what"), words("guests.takes")),
        rows,
        numeric=(1,),
        keys=tuple(f"kvm|baseline|{name}" for name in BASELINE),
    )
    return [
        Paragraph(words(f"guests.kvm_{state}", reason=page.woven(baseline.reason))),
        *_quoted(page, baseline.reason),
        Details(words("guests.baseline_caption"), (Paragraph(words("guests.baseline_intro")), table)),
    ]


def _exits(
    page: Page, found: Mapping[tuple[CaseKey, str], Exits], figures: Mapping[str, float | None]
) -> Table:
    words = page.words
    judged = {(case_of(c), c.runner): c for c in page.summary.primary}
    rows = tuple(_row(page, key, one, judged.get(key), figures) for key, one in found.items())
    heads = (
        words("column.workload"),
        words("column.runner"),
        *(
            words(f"guests.{name}")
            for name in ("ratio", "rate", "per_unit", "modelled", "lost", "steal", "delay")
        ),
    )
    sources = ", ".join(sorted({one.source for one in found.values()}))
    return Table(
        words("guests.exits_caption", source=sources),
        heads,
        rows,
        numeric=tuple(range(2, len(heads))),
        keys=tuple(f"{case.label}|{runner}|exits" for case, runner in found),
    )


def _row(
    page: Page,
    key: tuple[CaseKey, str],
    one: Exits,
    comparison: Comparison | None,
    figures: Mapping[str, float | None],
) -> tuple[Cell, ...]:
    words = page.words
    case, runner = key
    per_second = one.total / one.seconds if one.seconds else 0.0
    classes = ", ".join(
        f"{words(f'guests.class_{name}')} {count:,.0f}" for name, count in one.by_class.items() if count
    )
    if one.emulated:
        emulated = words("guests.emulated", count=f"{one.emulated:,.0f}")
        classes = words.row(filter(None, (classes, emulated)))
    return (
        Cell(page.case_name(case)),
        cells.runner(page, runner),
        Cell(numbers.cost(comparison.cost), value=comparison.cost.value) if comparison else Cell(DASH),
        Cell(f"{per_second:,.0f}/s", detail=classes, value=per_second),
        _per_unit(page, key, one),
        _share(one.modelled_share(figures)),
        _share(1 - 1 / comparison.cost.value if comparison and comparison.cost.value > 0 else None),
        cells.quantity(one.steal, "s"),
        cells.quantity(one.delay, "s"),
    )


def _per_unit(page: Page, key: tuple[CaseKey, str], one: Exits) -> Cell:
    """Give the exits per operation if the workload counts operations, else per job."""
    series = page.summary.primary_values.get(key[0], {}).get(key[1])
    if series is None or not series.unit.endswith("/s") or not series.median or not one.seconds:
        return Cell(page.words("guests.a_job", count=f"{one.total:,.0f}"), value=one.total)
    count = one.total / (series.median * one.seconds)
    return Cell(
        page.words(
            "guests.a_unit", count=f"{count:.3g}", unit=series.unit.removesuffix("/s").removesuffix("s")
        ),
        value=count,
    )


def _share(value: float | None) -> Cell:
    return Cell(DASH) if value is None else Cell(numbers.percent(value), value=value)


def _memory(page: Page) -> Table | None:
    """Build the table of medians over all jobs of a runner, read on the host after each job."""
    words = page.words
    names = ("guest_memory.ram", "guest_memory.overhead", "guest_memory.ram_merged")
    if page.summary.metric_names.isdisjoint(names):
        return None
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in page.summary.measured:
        for metric in trial.metrics:
            if metric.name in names:
                values[series_name(trial)][metric.name].append(metric.value)
    runners = sorted(values, key=page.summary.display.rank)
    rows = tuple(
        (
            cells.runner(page, runner),
            cells.count(len(values[runner][names[0]])),
            *(cells.quantity(statistics.median(values[runner][name]), "bytes") for name in names),
        )
        for runner in runners
    )
    return Table(
        words("guests.memory_caption"),
        (
            words("column.runner"),
            words("column.n"),
            *(words(f"guests.{name}") for name in ("ram", "overhead", "merged")),
        ),
        rows,
        numeric=(1, 2, 3, 4),
        keys=tuple(f"memory|{runner}|guest" for runner in runners),
    )
