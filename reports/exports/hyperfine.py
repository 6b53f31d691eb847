"""Export JSON like hyperfine's ``--export-json``, for the scripts that plot its files."""

from __future__ import annotations

from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Any

from tare.reports.exports.series import dumped, primary_series, seconds_per_unit

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "hyperfine"
SUMMARY = "JSON like hyperfine's, times of the primary metrics"


def render(given: ReportInput) -> bytes:
    """Render the file. ``user`` and ``system`` are means, as hyperfine's are, and 0 where no CPU time was recorded."""
    results = []
    cpu = _cpu_means(given)
    for series in primary_series(given):
        times, _ = seconds_per_unit(series)
        if not times:
            continue
        key = (series.workload, series.runner, str(series.parameters))
        result: dict[str, Any] = {
            "command": series.title,
            "mean": fmean(times),
            "stddev": stdev(times) if len(times) > 1 else None,
            "median": median(times),
            "user": cpu.get((*key, "user"), 0.0),
            "system": cpu.get((*key, "system"), 0.0),
            "min": min(times),
            "max": max(times),
            "times": times,
            "exit_codes": [0] * len(times),
            "parameters": {k: str(v) for k, v in {**series.parameters, "runner": series.runner}.items()},
        }
        results.append(result)
    return dumped({"results": results})


def _cpu_means(given: ReportInput) -> dict[tuple[str, str, str, str], float]:
    values: dict[tuple[str, str, str, str], list[float]] = {}
    for trial in given.trials:
        if trial.outcome == "ok" and not trial.warmup:
            for metric in trial.metrics:
                if metric.name in {"cpu.user", "cpu.system"}:
                    key = (trial.workload, trial.runner, str(trial.parameters), metric.name[4:])
                    values.setdefault(key, []).append(metric.value)
    return {key: fmean(found) for key, found in values.items()}
