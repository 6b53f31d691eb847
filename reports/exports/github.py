"""Export for github-action-benchmark: ``customSmallerIsBetter`` and ``customBiggerIsBetter``, one file per direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.reports.exports.series import dumped, primary_series
from tare.reports.text import numbers

if TYPE_CHECKING:
    from tare.reports.model import ReportInput


@dataclass(frozen=True, slots=True)
class Custom:
    """Export the metrics of one direction."""

    NAME: str
    SUMMARY: str
    direction: str

    def render(self, given: ReportInput) -> bytes:
        """Render the medians of the primary metrics of this direction, each with the range of its values."""
        return dumped(
            [
                {
                    "name": f"{series.title}: {series.metric.name}",
                    "unit": series.metric.unit,
                    "value": series.median,
                    "range": f"{min(series.values)} {numbers.DASH} {max(series.values)}",
                    "extra": f"median of {len(series.values)}; run {given.manifest.run} ({given.manifest.mode})",
                }
                for series in primary_series(given)
                if series.metric.direction == self.direction
            ]
        )


SMALLER = Custom("github-smaller", "github-action-benchmark, tool customSmallerIsBetter", "lower")
BIGGER = Custom("github-bigger", "github-action-benchmark, tool customBiggerIsBetter", "higher")
