"""Export pyperf's JSON, format 1.0: one of its runs for each invocation, warm-ups kept apart.

pyperf knows seconds, bytes and integers, and takes less for better; rates become seconds per unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.reports.exports.series import Exported, dumped, host_fact, primary_series, seconds_per_unit

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "pyperf"
SUMMARY = "pyperf's JSON, times of the primary metrics by invocation"


def render(given: ReportInput) -> bytes:
    """Render the file. The format does not allow values of zero: series that have one are left out."""
    benchmarks = [one for series in primary_series(given) for one in _benchmark(series)]
    metadata: dict[str, Any] = {"description": f"run {given.manifest.run} ({given.manifest.mode})"}
    if model := host_fact(given.manifest, "cpu", "model"):
        metadata["cpu_model_name"] = model
    return dumped({"version": "1.0", "benchmarks": benchmarks, "metadata": metadata})


def _benchmark(series: Exported) -> list[dict[str, Any]]:
    values, _ = seconds_per_unit(series)
    if not values or min(values) <= 0:
        return []
    rate = series.metric.unit != "s"
    runs = []
    for _, warmups, mine in series.by_invocation():
        if not mine:
            continue
        run: dict[str, Any] = {"values": [1 / value if rate else value for value in mine]}
        if warmups and min(warmups) > 0:
            run["warmups"] = [[1, 1 / value if rate else value] for value in warmups]
        runs.append(run)
    return [{"metadata": {"name": series.title, "unit": "second", "loops": 1}, "runs": runs}]
