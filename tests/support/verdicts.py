"""Make comparisons with a given verdict, and runs that consist of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.results_making import manifest
from tare.bench.analysis.styles import runner_styles
from tare.reports.model import ReportInput
from tare.results.judgement.comparison import Comparison
from tare.results.record import HOST_CPU_TIME
from tare.results.statistics.estimates import Estimate

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Verdict

FAMILY = {
    "null": "startup",
    "cpu": "cpu",
    "cpu-all": "cpu",
    "memory-read": "memory",
    "syscall": "kernel",
    "switch": "kernel",
    "disk-seq": "disk",
    "net-latency": "network",
    "python": "python",
    "density": "crowd",
    "starts-8": "crowd",
}


def estimate(value: float, half: float | None = 0.01) -> Estimate:
    """Make an estimate whose interval is that share of its value to both sides; ``None``: without an interval."""
    low, high = (None, None) if half is None else (value * (1 - half), value * (1 + half))
    return Estimate(value=value, low=low, high=high, confidence=0.95, n=9, method="made up")


def compared(
    workload: str,
    cost: float,
    verdict: Verdict,
    *,
    runner: str = "namespaces",
    half: float | None = 0.02,
    **changes: Any,
) -> Comparison:
    """Make the comparison of a workload's primary metric, a time in seconds that is 1 ms under the base."""
    fields: dict[str, Any] = {
        "workload": workload,
        "family": FAMILY.get(workload, "command"),
        "parameters": {},
        "metric": "launch.total" if workload == "null" else f"{workload}.time",
        "unit": "s",
        "direction": "lower",
        "clock": "host-monotonic",
        "primary": True,
        "runner": runner,
        "accelerator": "tcg" if "(tcg)" in runner else "none",
        "base": "bare",
        "subject_value": estimate(0.001 * cost, 0.02),
        "base_value": estimate(0.001),
        "cost": estimate(cost, half),
        "floor": estimate(1.0),
        "threshold": 0.02,
        "verdict": verdict,
        "because": "made up",
    }
    return Comparison(**fields | changes)


def cpu(workload: str, cost: float, verdict: Verdict, **changes: Any) -> Comparison:
    """Make the comparison of a workload's CPU time."""
    return compared(workload, cost, verdict, metric=HOST_CPU_TIME, primary=False, **changes)


def run_of(*comparisons: Comparison, **changes: Any) -> ReportInput:
    """Make a run of which nothing is known but its comparisons."""
    return ReportInput(manifest(status="complete", **changes), (), comparisons, styles=runner_styles())
