"""Export CSV for the ``csv`` importer of Apache Otava (formerly Hunter): a row per run, a column per series."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tare.reports.exports.series import primary_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.model import ReportInput

NAME = "otava"
SUMMARY = "CSV for Apache Otava: a row per run, medians of the primary metrics"


def render(given: ReportInput) -> bytes:
    """Render one run: a header, and a row to append to a history."""
    return table([given])


def table(runs: Sequence[ReportInput]) -> bytes:
    """Render a history in the order given; a series that a run lacks leaves its cell empty, which Otava skips."""
    medians = [
        {
            f"{s.title}: {s.metric.name} ({s.metric.unit})": s.median
            for s in primary_series(run)
            if not s.control
        }
        for run in runs
    ]
    columns = list(dict.fromkeys(name for row in medians for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "run", "name", *columns])
    for run, row in zip(runs, medians, strict=True):
        about = run.manifest
        writer.writerow([about.created, about.run, about.name, *(row.get(name, "") for name in columns)])
    return out.getvalue().encode()
