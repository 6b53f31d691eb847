"""What the hypervisor costs, and where: KVM's floors on this host, exits beside each loss, steal, a guest's memory.

The model is of first order, and is meant to be disagreed with: exits of a job, by class, times what an exit of that
class costs this host's micro guest, as a share of the job's time, beside the share that was really lost against the
base. What exits do not explain was lost elsewhere: nested page tables, cold caches, device models, or a kernel mode
that is emulated.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.reports.content.nodes import Cell, Details, Node, Paragraph, Section, Table
from tare.reports.plots.style import runner_color
from tare.reports.summaries.run import case_of, rank, series_name
from tare.reports.text import numbers
from tare.reports.text.numbers import DASH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.content.page import Page
    from tare.reports.summaries.run import Case
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Trial

CLASSES: Mapping[str, str] = {"io": "exit_out", "mmio": "exit_mmio", "halt": "exit_hlt"}
"""Class of exits → the micro guest's figure that says what one costs. All others are answered in the host's kernel, as
``exit_cpuid`` is."""
_OTHERS = "exit_cpuid"
FLOORS = (
    "create_vm",
    "open_to_first_exit",
    *CLASSES.values(),
    _OTHERS,
    "user_arithmetic",
    "kernel_arithmetic",
)


@dataclass(frozen=True, slots=True)
class Exits:
    """One case under one guest runner: medians over its trials."""

    seconds: float
    """Of a job, on the host's clock."""
    by_class: Mapping[str, float]
    """Exits of a job: ``io``, ``mmio``, ``halt`` and ``others``."""
    emulated: float
    """Instructions that KVM emulated."""
    steal: float | None
    """Seconds that the guest's kernel counted as stolen."""
    delay: float | None
    """Seconds that its vCPUs were ready and waited for a CPU of the host."""
    source: str

    @property
    def total(self) -> float:
        """All exits of a job."""
        return sum(self.by_class.values())

    def modelled_share(self, floors: Mapping[str, Any]) -> float | None:
        """Exits × cost of an exit, as a share of the job's time; ``None`` if a cost is not known here."""
        costs = {name: floors.get(f"{CLASSES.get(name, _OTHERS)}_seconds") for name in self.by_class}
        if any(costs[name] is None and count for name, count in self.by_class.items()) or not self.seconds:
            return None
        return sum(count * (costs[name] or 0.0) for name, count in self.by_class.items()) / self.seconds


def section(page: Page) -> Section | None:
    """Nothing where no runner of the run is a guest."""
    floors = page.summary.kvm_floors
    memory = _memory(page)
    found = exits(page.summary.measured)
    if floors is None and not found and memory is None:
        return None
    words = page.words
    body: list[Node] = []
    if floors is not None:
        body += _floors(page, floors)
    if found:
        body += [Paragraph(words("guests.exits_intro")), _exits(page, found, floors or {})]
    elif floors is not None:
        body.append(Paragraph(words("guests.no_exits"), kind="muted"))
    if memory is not None:
        body.append(
            Details(words("guests.memory_caption"), (Paragraph(words("guests.memory_intro")), memory))
        )
    return Section("guests", words("guests.title"), tuple(body))


def exits(trials: Sequence[Trial]) -> Mapping[tuple[Case, str], Exits]:
    """(case, runner) → its exits, for all jobs whose exits were counted."""
    counted: dict[tuple[Case, str], list[Exits]] = defaultdict(list)
    for trial in trials:
        values = {metric.name: metric for metric in trial.metrics}
        if "kvm.exits" not in values or not {"started", "finished"} <= trial.timeline.keys():
            continue
        get = {name: metric.value for name, metric in values.items()}
        by_class = {name: get.get(f"kvm.exits.{name}", 0.0) for name in CLASSES}
        by_class["others"] = max(0.0, get["kvm.exits"] - sum(by_class.values()))
        counted[case_of(trial), series_name(trial)].append(
            Exits(
                seconds=(trial.timeline["finished"] - trial.timeline["started"]) / 1e9,
                by_class=by_class,
                emulated=get.get("kvm.emulated.instructions", 0.0),
                steal=get.get("cpu.steal"),
                delay=get.get("vmm.delay.vcpu"),
                source=values["kvm.exits"].source,
            )
        )
    return {key: _median(counted[key]) for key in sorted(counted, key=lambda key: (key[0], rank(key[1])))}


def _median(found: Sequence[Exits]) -> Exits:
    def middle(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    return Exits(
        seconds=statistics.median(one.seconds for one in found),
        by_class={name: statistics.median(one.by_class[name] for one in found) for name in found[0].by_class},
        emulated=statistics.median(one.emulated for one in found),
        steal=middle([one.steal for one in found]),
        delay=middle([one.delay for one in found]),
        source=found[0].source,
    )


def _floors(page: Page, floors: Mapping[str, Any]) -> list[Node]:
    words = page.words
    rows = tuple(
        (
            Cell(words(f"guests.floor_{name}")),
            Cell(numbers.quantity(value, "s"), value=value) if value is not None else Cell(DASH),
        )
        for name in FLOORS
        for value in [floors.get(f"{name}_seconds")]
    )
    state = "usable" if floors.get("usable") else "unusable" if floors.get("present") else "absent"
    table = Table(
        words("guests.floors_caption"),
        (words("guests.what"), words("guests.takes")),
        rows,
        numeric=(1,),
        keys=tuple(f"kvm|floor|{name}" for name in FLOORS),
    )
    return [
        Paragraph(words(f"guests.kvm_{state}", reason=str(floors.get("reason", "")))),
        Details(words("guests.floors_caption"), (Paragraph(words("guests.floors_intro")), table)),
    ]


def _exits(page: Page, found: Mapping[tuple[Case, str], Exits], floors: Mapping[str, Any]) -> Table:
    words = page.words
    judged = {(case_of(c), c.runner): c for c in page.summary.primary}
    columns = ("workload", "runner", "ratio", "rate", "per_unit", "modelled", "lost", "steal", "delay")
    rows = tuple(_row(page, key, one, judged.get(key), floors) for key, one in found.items())
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
    key: tuple[Case, str],
    one: Exits,
    comparison: Comparison | None,
    floors: Mapping[str, Any],
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
        _share(one.modelled_share(floors)),
        _share(1 - 1 / comparison.cost.value if comparison and comparison.cost.value > 0 else None),
        _seconds(one.steal),
        _seconds(one.delay),
    )


def _per_unit(page: Page, key: tuple[Case, str], one: Exits) -> Cell:
    """Exits for each operation where the workload counts such, else for a job."""
    series = page.summary.series.get(key[0], {}).get(key[1])
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
