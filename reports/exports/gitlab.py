"""Export a metrics report of GitLab, whose merge requests show each value beside that of the target branch.

See https://docs.gitlab.com/ci/testing/metrics_reports/. GitLab tells metrics apart by their whole name, labels included, takes the
first word behind it as the value, and cuts off whatever follows a ``#``. So names have to be the same in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.exports.openmetrics import escaped_label, family_of
from tare.reports.exports.series import case_title, primary_series

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "gitlab"
SUMMARY = "metrics report of GitLab: medians of the primary metrics, named alike in every run"


def render(given: ReportInput) -> bytes:
    """Render OpenMetrics text with one gauge for each series; controls are left out."""
    families: dict[str, list[str]] = {}
    for series in primary_series(given):
        if series.control:
            continue
        name, _ = family_of(series.metric)
        case, runner = (
            escaped_label(text.replace("%", "%25").replace("#", "%23"))
            for text in (case_title(series.workload, series.parameters), series.runner)
        )
        families.setdefault(name, []).append(
            f'{name}{{workload="{case}",runner="{runner}"}} {series.median:.6g}'
        )
    lines = [line for name, samples in families.items() for line in (f"# TYPE {name} gauge", *samples)]
    return ("\n".join([*lines, "# EOF"]) + "\n").encode()
