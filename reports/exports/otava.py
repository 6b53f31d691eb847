"""Export CSV for the ``csv`` importer of Apache Otava (formerly Hunter): a row per run, a column per series."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tare.reports.exports.series import primary_series
from tare.results.escapes import inert_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.model import ReportInput
    from tare.results.record import Manifest

NAME = "otava"
SUMMARY = "CSV for Apache Otava: a row per run, medians of the primary metrics"


def render(given: ReportInput) -> bytes:
    """Render one run: a header, and a row to append to a history."""
    return tables([given])[0]


def tables(runs: Sequence[ReportInput]) -> list[bytes]:
    """Render a history in the order given, as tables without an empty cell, at which Otava's importer stops.

    Series that the same runs have share a table; its rows are these runs. The series of most runs come first.
    """
    medians = [
        {
            f"{s.title}: {s.metric.name} ({s.metric.unit})": s.median
            for s in primary_series(run)
            if not s.control
        }
        for run in runs
    ]
    columns: dict[tuple[int, ...], list[str]] = {}
    for name in dict.fromkeys(name for row in medians for name in row):
        columns.setdefault(tuple(i for i, row in enumerate(medians) if name in row), []).append(name)
    found = sorted(columns.items(), key=lambda one: -len(one[0]))
    whole = tuple(range(len(runs)))
    return [
        _table([(runs[i].manifest, [medians[i][name] for name in names]) for i in rows], names)
        for rows, names in found or [(whole, [])]
    ]


def _table(rows: Sequence[tuple[Manifest, list[float]]], names: Sequence[str]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "run", "name", *map(inert_cell, names)])
    for about, values in rows:
        writer.writerow([about.created, about.run, inert_cell(about.name), *values])
    return out.getvalue().encode()
