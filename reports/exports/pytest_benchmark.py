"""Export pytest-benchmark's JSON, for ``pytest-benchmark compare`` and other readers of its files.

The format knows times only: rates become seconds per unit, which ``extra_info`` states.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tare.reports.exports.series import Exported, dumped, host_fact, primary_series, seconds_per_unit

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "pytest-benchmark"
SUMMARY = "pytest-benchmark's JSON, times of the primary metrics with raw data"


def render(given: ReportInput) -> bytes:
    """Render the file with statistics and raw data of every primary metric."""
    manifest = given.manifest
    machine = {
        "node": "",
        "processor": host_fact(manifest, "kernel", "machine"),
        "machine": host_fact(manifest, "kernel", "machine"),
        "python_compiler": "",
        "python_implementation": "CPython",
        "python_implementation_version": manifest.versions.get("python", ""),
        "python_version": manifest.versions.get("python", ""),
        "python_build": ["", ""],
        "release": host_fact(manifest, "kernel", "release"),
        "system": "Linux",
        "cpu": {"brand_raw": host_fact(manifest, "cpu", "model")},
    }
    return dumped(
        {
            "machine_info": machine,
            "commit_info": {"id": "unknown", "time": manifest.created, "dirty": False, "branch": "unknown"},
            "benchmarks": [one for series in primary_series(given) for one in _benchmark(series, given)],
            "datetime": manifest.created,
            "version": version("pytest-benchmark"),
        }
    )


def _benchmark(series: Exported, given: ReportInput) -> list[dict[str, Any]]:
    from pytest_benchmark.stats import Stats  # noqa: PLC0415 - imports pytest

    values, meaning = seconds_per_unit(series)
    if not values:
        return []
    stats: Any = Stats()  # type: ignore[no-untyped-call]  # the package has no types
    for value in values:
        stats.update(value)
    parameters = {**series.parameters, "runner": series.runner}
    extra = {
        "run": given.manifest.run,
        "mode": given.manifest.mode,
        "metric": series.metric.name,
        "unit": series.metric.unit,
        "direction": series.metric.direction,
        "clock": series.metric.clock,
        "accelerator": series.accelerator,
        "seconds_are": meaning,
        "blocks": series.blocks,
    }
    return [
        {
            "group": series.workload,
            "name": series.title,
            "fullname": f"{series.family}::{series.title}",
            "params": parameters,
            "param": series.runner,
            "extra_info": extra,
            "options": {"disable_gc": False, "timer": series.metric.clock or "none", "warmup": False},
            "stats": {**stats.as_dict(), "data": values, "iterations": 1},
        }
    ]
