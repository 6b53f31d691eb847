"""Declare the options of stores and columns, and open them, for ``store``, ``sql`` and ``history``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tare.bench.commands.shared.speaking import Speaker
from tare.bench.request import layers
from tare.results.said import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tare.bench.request.settings import Settings
    from tare.results.stores.columns import RunColumns


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of commands that ask about the runs of the folder or of a store."""
    layers.add_options(parser, "store", config=False)
    parser.add_argument(
        "--stored",
        action="store_true",
        help="the runs of the store instead of those of the folder; --store says the same",
    )


def is_stored(arguments: argparse.Namespace) -> bool:
    """Tell whether the store is asked about; a setting alone does not change what a command is about."""
    return bool(arguments.stored or getattr(arguments, "store.address") is not None)


@contextmanager
def columns_of(
    settings: Settings, *, stored: bool, memory_bytes: int | None = None
) -> Iterator[tuple[Any, list[RunColumns]]]:
    """Give a connection to DuckDB and the columns of all runs, oldest first; those that are missing are made.

    Raises:
        ResultError: DuckDB is not installed, or the store cannot be read.
    """
    from tare.bench.analysis.listing import class_of  # noqa: PLC0415 - options are declared without it
    from tare.results.errors import ResultError  # noqa: PLC0415
    from tare.results.scratch import scratch_folder  # noqa: PLC0415
    from tare.results.storage.find import list_runs  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415
    from tare.results.stores import columns  # noqa: PLC0415
    from tare.results.stores.store import open_store  # noqa: PLC0415
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415

    with (
        scratch_folder("sql") as scratch,
        columns.connect(scratch, memory_bytes or columns.MEMORY_BYTES) as connection,
    ):
        if stored:
            store = open_store(settings.store.address)
            kept = store.runs()
            yield connection, list(columns.stored_columns(connection, store, kept, default_cache()))
            return
        found: list[RunColumns] = []
        folder = settings.output.results_dir
        for entry in list_runs(folder):
            try:
                run = (entry.path, class_of(load_run(entry.path).manifest))
                found += columns.local_columns(connection, [run], folder)
            except ResultError as error:
                note = say("terminal.left_out", "left out: {reason}", reason=error)
                Speaker(settings.output.language).note(note)
        yield connection, found
