"""What the hypervisor costs, and where: KVM's baseline cost on this host, exits beside each loss, steal, a guest's memory.

The model is of first order, and is meant to be disagreed with: exits of a job, by class, times what an exit of that
class costs this host's micro guest, as a share of the job's time, beside the share that was really lost against the
base. What exits do not explain was lost elsewhere: nested page tables, cold caches, device models, or a kernel mode
that is emulated.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.cases import case_of
from tare.reports.summaries.exits import FLOORS, Exits, exits
from tare.reports.summaries.runners import rank, series_name
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.content.page import Page
    from tare.reports.summaries.cases import CaseKey
    from tare.results.environment import KvmBaseline
    from tare.results.judgement.comparison import Comparison


def section(page: Page) -> Section | None:
    """Nothing where no runner of the run is a guest."""
    baseline = page.summary.kvm_baseline
    memory = _memory(page)
    found = exits(page.summary.measured)
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


def _baseline(page: Page, baseline: KvmBaseline) -> list[Node]:
    words = page.words
    rows = tuple(
        (
            Cell(words(f"guests.floor_{name}")),
            Cell(numbers.quantity(value, "s"), value=value) if value is not None else Cell(DASH),
        )
        for name in FLOORS
        for value in [baseline.figures.get(f"{name}_seconds")]
    )
    state = "usable" if baseline.usable else "unusable" if baseline.present else "absent"
    table = Table(
        words("guests.floors_caption"),
        (words("guests.what"), words("guests.takes")),
        rows,
        numeric=(1,),
        keys=tuple(f"kvm|floor|{name}" for name in FLOORS),
    )
    return [
        Paragraph(words(f"guests.kvm_{state}", reason=baseline.reason)),
        Details(words("guests.floors_caption"), (Paragraph(words("guests.floors_intro")), table)),
    ]


def _exits(
    page: Page, found: Mapping[tuple[CaseKey, str], Exits], figures: Mapping[str, float | None]
) -> Table:
    words = page.words
    judged = {(case_of(c), c.runner): c for c in page.summary.primary}
    columns = ("workload", "runner", "ratio", "rate", "per_unit", "modelled", "lost", "steal", "delay")
    rows = tuple(_row(page, key, one, judged.get(key), figures) for key, one in found.items())
    sources = ", ".join(sorted({one.source for one in found.values()}))
    return Table(
        words("guests.exits_caption", source=sources),
        tuple(words(f"guests.{name}") for name in columns),
        rows,
        numeric=tuple(range(2, len(columns))),
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
        classes += f"; {words('guests.emulated', count=f'{one.emulated:,.0f}')}"
    return (
        Cell(case.label),
        Cell(runner, color=runner_color(runner)),
        Cell(numbers.cost(comparison.cost), value=comparison.cost.value) if comparison else Cell(DASH),
        Cell(f"{per_second:,.0f}/s", detail=classes, value=per_second),
        _per_unit(page, key, one),
        _share(one.modelled_share(figures)),
        _share(1 - 1 / comparison.cost.value if comparison and comparison.cost.value > 0 else None),
        _seconds(one.steal),
        _seconds(one.delay),
    )


def _per_unit(page: Page, key: tuple[CaseKey, str], one: Exits) -> Cell:
    """Exits for each operation where the workload counts such, else for a job."""
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


def _seconds(value: float | None) -> Cell:
    return Cell(DASH) if value is None else Cell(numbers.quantity(value, "s"), value=value)


def _memory(page: Page) -> Table | None:
    """Medians over all jobs of a runner, as the host saw them afterwards."""
    words = page.words
    names = ("guest_memory.ram", "guest_memory.overhead", "guest_memory.ram_merged")
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in page.summary.measured:
        for metric in trial.metrics:
            if metric.name in names:
                values[series_name(trial)][metric.name].append(metric.value)
    if not values:
        return None
    runners = sorted(values, key=rank)
    rows = tuple(
        (
            Cell(runner, color=runner_color(runner)),
            Cell(str(len(values[runner][names[0]])), value=len(values[runner][names[0]])),
            *(
                Cell(numbers.quantity(middle, "bytes"), value=middle)
                for middle in (statistics.median(values[runner][name]) for name in names)
            ),
        )
        for runner in runners
    )
    return Table(
        words("guests.memory_caption"),
        tuple(words(f"guests.{name}") for name in ("runner", "n", "ram", "overhead", "merged")),
        rows,
        numeric=(1, 2, 3, 4),
        keys=tuple(f"memory|{runner}|guest" for runner in runners),
    )
