"""Export the Bencher Metric Format: benchmark → measure → value with bounds.

See https://bencher.dev/docs/reference/bencher-metric-format/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tare.reports.exports.series import all_series, dumped

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "bencher"
SUMMARY = "Bencher Metric Format, all judged metrics: median, least and most"


def render(given: ReportInput) -> bytes:
    """Render the file. Units are part of the measures' names: the format has no other place for them."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for series in all_series(given):
        if series.metric.direction == "none":
            continue
        name = slug(f"{series.metric.name} {series.metric.unit.replace('/', ' per ')}")
        found.setdefault(series.title, {})[name] = {
            "value": series.median,
            "lower_value": min(series.values),
            "upper_value": max(series.values),
        }
    return dumped(found)


def slug(text: str) -> str:
    """Reduce text to lower-case letters, digits and single hyphens, as Bencher's slugs are."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
