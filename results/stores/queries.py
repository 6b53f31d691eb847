"""Ask about many runs at once: tables for DuckDB, and the medians that histories are made of, run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tare.results.errors import ResultError
from tare.results.said import say
from tare.results.stores.columns import column_types, quoted
from tare.results.stores.store import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.results.record import Direction
    from tare.results.stores.columns import RunColumns

_RUNS = {
    "run": "VARCHAR", "name": "VARCHAR", "created": "TIMESTAMP", "mode": "VARCHAR", "status": "VARCHAR",
    "host_class": "VARCHAR", "commit": "VARCHAR", "branch": "VARCHAR", "dirty": "BOOLEAN",
    "labels": "MAP(VARCHAR, VARCHAR)", "argv": "VARCHAR[]",
}  # fmt: skip
"""Columns of the table ``runs``."""


class Median(NamedTuple):
    """Median of one series of one run."""

    workload: str
    parameters: str
    """Canonical JSON."""
    metric: str
    runner: str
    unit: str
    direction: Direction
    value: float
    values: int
    """Number of trials that it is taken of."""
    low: float
    high: float
    """First and third quartile of the values."""


def open_tables(connection: Any, columns: Sequence[RunColumns]) -> None:
    """Make the tables ``runs``, ``trials`` and ``metrics``; the latter two are read from Parquet when they are asked for.

    Raises:
        ResultError: columns cannot be read.
    """
    declared = ", ".join(f'"{name}" {kind}' for name, kind in _RUNS.items())
    connection.execute(f"CREATE TABLE runs ({declared})")
    rows = [_row(one) for one in columns]
    if rows:
        special = {"labels": "MAP(?, ?)", "created": "TRY_CAST(? AS TIMESTAMP)"}
        marks = ", ".join(special.get(name, "?") for name in _RUNS)
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", rows)
    for table in TABLES:
        files = ", ".join(quoted(one.files[table]) for one in columns)
        if files:
            source = f"SELECT * FROM read_parquet([{files}], hive_partitioning = true, hive_types_autocast = false)"
        else:
            types = {**column_types(table), "host_class": "VARCHAR", "month": "VARCHAR"}
            empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in types.items())
            source = f"SELECT {empty} WHERE false"
        ask(connection, f"CREATE VIEW {table} AS {source}")


def _row(one: RunColumns) -> list[Any]:
    head, origin = one.head, one.head.provenance
    return [
        head.run,
        head.name,
        head.created or None,
        head.mode,
        head.status,
        head.host_class,
        origin.commit or None,
        origin.branch or None,
        origin.dirty,
        list(origin.labels),
        list(origin.labels.values()),
        list(origin.argv),
    ]


def ask(connection: Any, query: str) -> Any:
    """Execute a query; the result's rows are fetched by its caller.

    Raises:
        ResultError: DuckDB cannot answer; the text has its reason.
    """
    import duckdb  # noqa: PLC0415 - an extra

    try:
        return connection.execute(query)
    except duckdb.OutOfMemoryException as error:
        raise ResultError(say(
            "sql.memory", "the query needs more memory than it may use: ask for groups (by run, say), use approx_quantile "
            "instead of median, or raise --memory.",
        )) from error  # fmt: skip
    except duckdb.Error as error:
        raise ResultError(str(error).strip()) from error


def medians(connection: Any, one: RunColumns, *, all_metrics: bool) -> Iterator[Median]:
    """Yield the median of every series of a run that a history shows, from its columns.

    They are those of :func:`tare.results.statistics.series.good_series`: trials with outcome ``ok``, without warm-ups and
    controls, of metrics that have a direction. A run at a time is in memory.

    Args:
        connection: DuckDB's.
        one: The run's columns.
        all_metrics: Include metrics that workloads are not judged by.
    """
    primary = "true" if all_metrics or one.head.mode == "imported" else 'bool_or("primary")'
    query = f"""
        SELECT workload, parameters, metric, runner, first(unit), first(direction), quantile_cont(value, [0.25, 0.5, 0.75]), count(*)
        FROM read_parquet({quoted(one.files["metrics"])})
        WHERE outcome = 'ok' AND NOT warmup AND NOT control
        GROUP BY workload, parameters, metric, runner
        HAVING {primary} AND first(direction) <> 'none'
        ORDER BY min(number), metric
    """
    for row in ask(connection, query).fetchall():
        *series, (low, middle, high), count = row
        yield Median(*series, middle, count, low, high)  # type: ignore[call-arg]  # six columns, see the query
