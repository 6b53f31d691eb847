"""Export OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/): a summary for each series."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from tare.reports.exports.series import Exported, all_series
from tare.reports.text.numbers import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tare.reports.model import ReportInput
    from tare.results.record import Metric

NAME = "openmetrics"
SUMMARY = "OpenMetrics text, all metrics as summaries (quantiles, count, sum)"

UNITS = {
    "s": "seconds",
    "bytes": "bytes",
    "bytes/s": "bytes_per_second",
    "ops/s": "ops_per_second",
    "ratio": "ratio",
}
QUANTILES = (0.05, 0.5, 0.95)


def render(given: ReportInput) -> bytes:
    """Render the exposition. Series of one metric and unit form a family; a metric in two units is two families."""
    families: dict[tuple[str, str], list[Exported]] = {}
    for series in all_series(given):
        families.setdefault(family_of(series.metric), []).append(series)
    lines: list[str] = []
    for (name, unit), members in families.items():
        # A summary's quantiles and sum must not be negative; metrics such as a drift may be.
        kind = "summary" if min(min(series.values) for series in members) >= 0 else "gauge"
        lines.append(f"# TYPE {name} {kind}")
        if unit:
            lines.append(f"# UNIT {name} {unit}")
        metric = members[0].metric
        lines.append(
            f"# HELP {name} {_help(f'{metric.name} in {metric.unit}; {metric.direction} is better')}"
        )
        for series in members:
            lines += _samples(name, kind, series, given)
    return ("\n".join([*lines, "# EOF"]) + "\n").encode()


def _samples(name: str, kind: str, series: Exported, given: ReportInput) -> Iterator[str]:
    labels = {
        "run": given.manifest.run,
        "mode": given.manifest.mode,
        "workload": series.workload,
        "parameters": json.dumps(series.parameters, sort_keys=True) if series.parameters else "",
        "runner": series.runner,
        "accelerator": series.accelerator,
        "control": str(series.control).lower(),
    }
    plain = ",".join(f'{key}="{escaped_label(value)}"' for key, value in labels.items())
    label = "quantile" if kind == "summary" else "statistic"
    for share in QUANTILES:
        value = series.median if share == 0.5 else nearest_rank(series.values, share)
        yield f'{name}{{{plain},{label}="{share}"}} {float(value)!r}'
    if kind == "summary":
        yield f"{name}_count{{{plain}}} {len(series.values)}"
        yield f"{name}_sum{{{plain}}} {math.fsum(series.values)!r}"


def family_of(metric: Metric) -> tuple[str, str]:
    """Give the name of a metric's family, and the unit that it ends in; empty if it has none."""
    unit = UNITS.get(metric.unit, _name(metric.unit))
    # "count" is a suffix that summaries own themselves.
    unit = "" if unit == "count" else unit
    name = f"tare_{_name(metric.name)}"
    return (name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"), unit


def _name(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", text).strip("_")


def escaped_label(text: str) -> str:
    """Escape the value of a label, which stands between double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
