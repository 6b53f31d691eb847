"""Implement ``tare sql QUERY``: ask DuckDB about all runs of the folder, or of a store."""

from __future__ import annotations

import csv
import datetime
import json
import sys
from typing import TYPE_CHECKING, Any

from tare.bench.commands.shared.stored import add_store_options, columns_of, is_stored
from tare.bench.commands.shared.tables import aligned
from tare.bench.errors import Exit
from tare.bench.request import layers, readers
from tare.results.escapes import inert_cell
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse

_TABLES = """
SELECT table_name AS "table", string_agg(column_name || ' ' || lower(data_type), ', ' ORDER BY ordinal_position) AS columns
FROM duckdb_columns() JOIN (SELECT table_name, column_name, column_index AS ordinal_position FROM duckdb_columns())
USING (table_name, column_name) WHERE NOT internal GROUP BY ALL ORDER BY 1
"""
_PIECE = 10_000
"""Rows that are fetched at a time."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the query, the runs and the format."""
    parser.add_argument(
        "query",
        nargs="?",
        default="",
        metavar="QUERY",
        help="SQL over the tables runs, trials and metrics; - reads it from standard input (default: list their columns)",
    )
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="format of the rows (default: table)",
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )
    parser.add_argument(
        "--memory", default="512M", metavar="SIZE", help="memory that DuckDB may use (default: 512M)"
    )
    add_store_options(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Answer the query; the exit code is 0."""
    from tare.results.stores.queries import ask, open_tables  # noqa: PLC0415 - options are declared without it

    settings = layers.resolve(arguments)
    try:
        memory = readers.size(arguments.memory)
    except ValueError as error:
        raise UsageError(say(
            "sql.bad_memory", "--memory: cannot use {memory!r}: {error}.",
            memory=arguments.memory, error=error,
        )) from error  # fmt: skip
    query = _given() if arguments.query == "-" else arguments.query
    with columns_of(settings, stored=is_stored(arguments), memory_bytes=memory) as (connection, columns):
        open_tables(connection, columns)
        answer = ask(connection, query.strip() or _TABLES)
        _print_rows(answer, arguments.format)
    return Exit.OK


def _print_rows(answer: Any, form: str) -> None:
    names = [column[0] for column in answer.description or ()]
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        while rows := answer.fetchmany(_PIECE):
            writer.writerows(
                [inert_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
            )
        return
    rows = answer.fetchall()
    if form == "json":
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2, default=_plain))
    elif names:
        print("\n".join(aligned([names, *([_text(cell) for cell in row] for row in rows)])))


def _plain(value: Any) -> Any:
    """Give a value that JSON has no type for as text."""
    return value.isoformat() if isinstance(value, datetime.datetime | datetime.date) else str(value)


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return ", ".join(f"{k}={v}" for k, v in cell.items()) if isinstance(cell, dict) else str(cell)


def _given() -> str:
    """Read the query from standard input.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdin is None:
        raise UsageError(say("sql.no_input", "standard input is closed: give the query as an argument."))
    return sys.stdin.read()
