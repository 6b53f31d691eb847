"""Summarise KVM exits per case and guest runner, and model the time they cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.summaries.cases import case_of
from tare.reports.summaries.runners import series_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.run import Summary


CLASSES: Mapping[str, str] = {"io": "exit_out", "mmio": "exit_mmio", "halt": "exit_hlt"}
"""Class of exits → the micro guest's measurement of what one costs. All other exits are handled in the host kernel, as
``exit_cpuid`` is."""


_OTHERS = "exit_cpuid"


BASELINE = (
    "create_vm",
    "open_to_first_exit",
    *CLASSES.values(),
    _OTHERS,
    "user_arithmetic",
    "kernel_arithmetic",
)
"""Figures of the KVM baseline cost, in the order of the table; each is recorded in seconds."""


@dataclass(frozen=True, slots=True)
class Exits:
    """Hold the exits of one case under one guest runner: medians over its trials."""

    seconds: float
    """Duration of a job on the host's clock."""
    by_class: Mapping[str, float]
    """Class → exits of a job; the classes are ``io``, ``mmio``, ``halt`` and ``others``."""
    emulated: float
    """Instructions of a job that KVM emulated."""
    steal: float | None
    """Seconds of steal that the guest kernel counted; ``None`` if it reported none."""
    delay: float | None
    """Seconds that the vCPUs were runnable and waited for a CPU of the host; ``None`` if not recorded."""
    source: str
    """Source of the counts, as the metric ``kvm.exits`` names it."""

    @property
    def total(self) -> float:
        """All exits of a job, of every class."""
        return sum(self.by_class.values())

    def modelled_share(self, figures: Mapping[str, float | None]) -> float | None:
        """Estimate the exits' share of the job's time; ``None`` if the cost of a class is not known.

        ``figures`` are those of :class:`tare.results.environment.KvmBaseline`.
        """
        costs = {name: figures.get(f"{CLASSES.get(name, _OTHERS)}_seconds") for name in self.by_class}
        if any(costs[name] is None and count for name, count in self.by_class.items()) or not self.seconds:
            return None
        return sum(count * (costs[name] or 0.0) for name, count in self.by_class.items()) / self.seconds


def exits(summary: Summary) -> Mapping[tuple[CaseKey, str], Exits]:
    """Summarise the exits of each case and runner, for all jobs whose exits were counted."""
    counted: dict[tuple[CaseKey, str], list[Exits]] = defaultdict(list)
    for trial in summary.measured if "kvm.exits" in summary.metric_names else ():
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
    ordered = sorted(counted, key=lambda key: (key[0], summary.display.rank(key[1])))
    return {key: _median(counted[key]) for key in ordered}


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
