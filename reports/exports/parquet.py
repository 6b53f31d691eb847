"""Export the tidy table as typed Parquet, the one format that needs pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.reports.exports.tidy import COLUMNS, rows
from tare.results.errors import ResultError
from tare.results.said import say

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "parquet"
SUMMARY = "the tidy table as Parquet; needs pyarrow"


def render(given: ReportInput) -> bytes:
    """Render the file.

    Raises:
        ResultError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and 100 MB
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ResultError(say(
            "export.no_pyarrow", "--format parquet needs pyarrow, which is not installed: `pip install 'tarebench[parquet]'`, or use --format csv.",
        )) from None  # fmt: skip
    whole, real, true = pa.int64(), pa.float64(), pa.bool_()
    types = dict.fromkeys(COLUMNS, pa.string())
    types |= {"value": real, "error": real, "block": whole, "invocation": whole, "trial": whole}
    types |= {"warmup": true, "control": true, "primary": true}
    table = list(zip(*rows(given), strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(column, types[name]) for name, column in zip(COLUMNS, table, strict=True)]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays, names=list(COLUMNS)), sink)
    return bytes(sink.getvalue().to_pybytes())
