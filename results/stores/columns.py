"""Keep the tables of runs as Parquet beside their JSONL: derived, partitioned by host class and month, made by DuckDB.

``columns/<table>/host_class=<class>/month=<YYYY-MM>/<run>.<version>.parquet``, with the columns of
:mod:`tare.results.tables.frame`. They may be deleted, and are made again when they are needed. Needs the extra ``sql``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.results.said import say
from tare.results.scratch import scratch_folder
from tare.results.storage.atomic import replacing
from tare.results.storage.load import load_run
from tare.results.stores.model import COLUMNS, StoreError, StoreNotWritten, column_name, head_of
from tare.results.stores.packing import unpack
from tare.results.stores.store import TABLES
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tare.results.storage.load import Run
    from tare.results.stores.model import KeptRun, RunHead
    from tare.results.stores.store import Store

MEMORY_BYTES = 512 << 20
"""Memory that DuckDB may use for its own; what does not fit goes to a temporary folder."""

LOCAL = ".columns"
"""Folder in that of the runs, for the columns of what is stored there."""

_SELECTED = {
    "trials": "number, workload, family, runner, accelerator, block, invocation, position, control, warmup, outcome, reason, "
    "parameters, context, clock_error",
    "metrics": "number, workload, family, runner, accelerator, block, invocation, position, control, warmup, outcome, "
    "parameters, metric, value, unit, direction, clock, source, error, samples, primary",
}
_TYPES = {
    **dict.fromkeys(("number", "block", "invocation", "position"), "INTEGER"),
    **dict.fromkeys(("control", "warmup", "primary"), "BOOLEAN"),
    **dict.fromkeys(("value", "error", "clock_error"), "DOUBLE"),
    "samples": "BIGINT",
}
"""Type of each column that is not text."""


@dataclass(frozen=True, slots=True)
class RunColumns:
    """The tables of one run, where DuckDB finds them."""

    head: RunHead
    files: Mapping[str, str]
    """Table → path or URL."""


def connect(scratch: Path, memory_bytes: int = MEMORY_BYTES) -> Any:
    """Open a database in memory that fetches nothing and keeps within some memory.

    Args:
        scratch: Folder for what does not fit.
        memory_bytes: Limit of DuckDB's own memory.

    Raises:
        StoreError: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise StoreError(say(
            "store.no_duckdb", "this needs DuckDB, which is not installed: `pip install 'tarebench[sql]'`.",
        )) from None  # fmt: skip
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_bytes >> 20}MiB",
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    # It is drawn on standard output after two seconds, into the middle of JSON.
    connection.execute("SET enable_progress_bar = false")
    return connection


def is_there() -> bool:
    """Tell whether DuckDB is installed, without importing it."""
    from importlib.util import find_spec  # noqa: PLC0415

    return find_spec("duckdb") is not None


def quoted(text: str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def column_types(table: str) -> dict[str, str]:
    """Return the columns of a table's files with their SQL types."""
    names = ["run", *(name.strip() for name in _SELECTED[table].split(","))]
    return {name: _TYPES.get(name, "VARCHAR") for name in names}


def write_columns(connection: Any, run: Run, paths: Mapping[str, Path]) -> None:
    """Write the tables of a run, each file whole or not at all.

    Raises:
        ResultError: the run cannot be read, or a file not be written.
    """
    frame = read_frame(run)
    for table, path in paths.items():
        rows = frame.trials if table == "trials" else frame.metrics
        chosen = []
        for name, kind in column_types(table).items():
            value = quoted(run.manifest.run) if name == "run" else f'"{name}"'
            # numpy has no missing numbers but NaN.
            value = f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END" if name == "error" else value
            chosen.append(f'CAST({value} AS {kind}) AS "{name}"')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection.register("given", rows)
            with replacing(path) as draft:
                connection.execute(
                    f"COPY (SELECT {', '.join(chosen)} FROM given) TO {quoted(str(draft))} (FORMAT parquet, COMPRESSION zstd)"
                )
        except OSError as error:
            raise StoreNotWritten(say(
                "file.cannot_write", "cannot write {path}: {strerror}.",
                path=path, strerror=error.strerror or error,
            )) from error  # fmt: skip
        finally:
            connection.unregister("given")


def local_columns(
    connection: Any, runs: Iterable[tuple[Path, str]], results_dir: Path
) -> Iterator[RunColumns]:
    """Yield the columns of runs on this host, each given by its folder and host class, and make those that are missing.

    Columns of a state of the run that has passed are removed.

    Raises:
        ResultError: a run cannot be read, or columns cannot be written.
    """
    for run_dir, host_class in runs:
        run = load_run(run_dir)
        head = head_of(run.manifest, host_class)
        status = run.trials_path.stat() if run.trials_path.exists() else None
        version = f"{status.st_size}-{status.st_mtime_ns}" if status else "0-0"
        paths = {table: results_dir / LOCAL / column_name(head, version, table) for table in TABLES}
        if not all(path.exists() for path in paths.values()):
            for path in paths.values():
                for old in path.parent.glob(f"{head.run}.*.parquet"):
                    old.unlink(missing_ok=True)
            write_columns(connection, run, paths)
        yield RunColumns(head, {table: str(path) for table, path in paths.items()})


def stored_columns(
    connection: Any, store: Store, runs: Iterable[KeptRun], cache: Path
) -> Iterator[RunColumns]:
    """Yield the columns of runs in a store; those that it has not are made of the trials and kept in a cache.

    Raises:
        ResultError: the store cannot be read, or columns cannot be written.
    """
    there = set(store.files.names(COLUMNS)) if store.files.keeps_columns else set()
    filesystem = getattr(store.files, "filesystem", None)
    if filesystem is not None:
        connection.register_filesystem(filesystem)
    for kept in runs:
        names = {table: column_name(kept, kept.version, table) for table in TABLES}
        if there.issuperset(names.values()):
            yield RunColumns(kept, {table: store.files.location(name) for table, name in names.items()})
            continue
        paths = {table: cache / name for table, name in names.items()}
        if not all(path.exists() for path in paths.values()):
            with scratch_folder("columns") as scratch:
                unpack(store.files, kept, scratch / kept.run)
                write_columns(connection, load_run(scratch / kept.run), paths)
        yield RunColumns(kept, {table: str(path) for table, path in paths.items()})


def push_columns(connection: Any, store: Store, kept: KeptRun, run_dir: Path) -> None:
    """Put the columns of a run that was pushed beside it, where the store keeps any.

    Raises:
        ResultError: the run cannot be read any more, or the store cannot be written to.
    """
    if not store.files.keeps_columns:
        return
    with scratch_folder("columns") as scratch:
        paths = {table: scratch / f"{table}.parquet" for table in TABLES}
        write_columns(connection, load_run(run_dir), paths)
        add = [(column_name(kept, kept.version, table), path) for table, path in paths.items()]
        store.files.change(add, (), why=f"Keep columns of {kept.run}")
