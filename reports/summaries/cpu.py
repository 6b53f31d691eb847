"""Gather the CPU time of each case by runner and vantage point."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tare.reports.summaries.run import PLACE_CPU
from tare.results.record import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.reports.summaries.cases import CaseKey
    from tare.reports.summaries.run import Summary
    from tare.reports.text.words import Words


INSIDE = "cpu"


VIEWS = {
    INSIDE: ("user", "system"),
    PLACE_CPU: ("user", "system"),
    "vmm.cpu": ("vcpu", "io", "other"),
    "cgroup.cpu": ("user", "system"),
    "processes.cpu": ("user", "system"),
    "host.cpu": ("user", "system"),
}
"""Vantage point → its parts; the metrics are ``<vantage>.<part>``, and ``<vantage>`` or ``<vantage>.total`` for their
sum. The job's own accounting first, then views from outside, the closest one first."""


_WIDEST = "host.cpu"
"""Counts everything else on the host as well, so it is in the table only."""


_UNRESOLVED = 0.1
"""Parts that miss more than this share of the total are not shown: the kernel counts some in ticks of 10 ms, too coarse
for a job that takes one."""


PARTS = ("user", "system", "vcpu", "io", "other", "total")


class Bar(NamedTuple):
    """Hold the CPU time of one job under one runner as one vantage point counted it; part → seconds."""

    runner: str
    vantage: str
    parts: Mapping[str, float]


def bars(summary: Summary, case: CaseKey) -> list[Bar]:
    """List the bars of a case: for each runner the inside view first. The base's second measurement is left out."""
    found = []
    for runner in summary.primary_values[case]:
        if runner == CONTROL:
            continue
        seconds = summary.cpu_seconds.get((case, runner), {})
        for vantage, names in VIEWS.items():
            parts = {name: seconds[f"{vantage}.{name}"] for name in names if f"{vantage}.{name}" in seconds}
            total = seconds.get(vantage, seconds.get(f"{vantage}.total"))
            if total is not None and abs(total - sum(parts.values())) > _UNRESOLVED * total:
                parts = {"total": total}
            if parts:
                found.append(Bar(runner, vantage, parts))
    return found


def chosen(found: list[Bar]) -> list[Bar]:
    """Choose the bars to draw: for each runner the inside view and the closest outside one; the table has all."""
    kept: list[Bar] = []
    for bar in found:
        outside = any(k.runner == bar.runner and k.vantage != INSIDE for k in kept)
        if bar.vantage != _WIDEST and not (bar.vantage != INSIDE and outside):
            kept.append(bar)
    return kept


def vantage_name(vantage: str, words: Words) -> str:
    """Name a vantage point; one without a text keeps the name of its metrics."""
    key = f"vantage.{vantage}"
    return words(key) if words.has(key) else vantage
