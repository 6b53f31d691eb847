"""Export tidy CSV: everything that was measured, failures and skips included."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from tare.reports.exports.tidy import COLUMNS, rows
from tare.results.escapes import inert_cell

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "csv"
SUMMARY = "tidy CSV, one row per metric of a trial; `tare import` reads it back"


def render(given: ReportInput) -> bytes:
    """Render the table with a header line in UTF-8; numbers are written so that they read back exactly.

    Names that a spreadsheet would take for formulas have an apostrophe before them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_text(cell) for cell in row] for row in rows(given))
    return out.getvalue().encode()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return inert_cell(cell)
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
