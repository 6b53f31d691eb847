"""Implement ``tare store push|pull|list|prune``: keep runs in a folder, a git branch or an object store."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_filter_options, filter_from, some
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.commands.shared.tables import FACTS, aligned, facts, name_and_labels, room
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tare.bench.commands.shared.speaking import Speaker, Tell
    from tare.bench.request.settings import Settings
    from tare.results.stores.model import KeptRun
    from tare.results.stores.store import Store

KEEP = 50
"""Runs of each host class that `prune` keeps unless it is told another number."""


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the four actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    push = actions.add_parser("push", help="put runs into the store; those that it has are passed over")
    push.add_argument(
        "references", nargs="*", metavar="RUN", help="ids, names, paths or `latest` (default: latest)"
    )
    push.add_argument("--all", action="store_true", help="all runs of the folder")
    pull = actions.add_parser(
        "pull", help="fetch runs into the folder of the runs; what is there stays as it is"
    )
    pull.add_argument("references", nargs="*", metavar="RUN", help="ids or names (default: the newest)")
    pull.add_argument("--all", action="store_true", help="all runs of the store that meet the conditions")
    listing = actions.add_parser("list", help="list the runs of the store")
    prune = actions.add_parser(
        "prune", help="remove all but the newest runs of each host class from the store"
    )
    prune.add_argument(
        "--keep",
        type=some,
        default=KEEP,
        metavar="N",
        help=f"runs of each host class to keep (default: {KEEP})",
    )
    prune.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    for action in (pull, listing):
        add_filter_options(action)
    for action in (push, pull, listing, prune):
        action.add_argument("--json", action="store_true", help="print JSON")
        layers.add_options(action, "store", "output")


def run(arguments: argparse.Namespace) -> int:
    """Push, pull, list or prune; the exit code is 0."""
    from tare.results.stores.store import open_store  # noqa: PLC0415 - options are declared without it

    settings = layers.resolve(arguments)
    store = open_store(settings.store.address)
    return {"push": _push, "pull": _pull, "list": _list, "prune": _prune}[arguments.action](
        arguments, store, settings
    )


def _push(arguments: argparse.Namespace, store: Store, settings: Settings) -> int:
    from tare.bench.analysis.listing import class_of, listed  # noqa: PLC0415 - options are declared without it
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    speaker = speaker_of(arguments)
    if arguments.all:
        every = listed(settings.output.results_dir)
        for reason in (run.unreadable for run in every if run.unreadable):
            speaker.note(say("terminal.left_out", "left out: {reason}", reason=reason))
        folders = [run.path for run in every if not run.unreadable]
    else:
        folders = [run_folder_of(each, settings.output) for each in arguments.references or ["latest"]]
    by_run = {load_run(folder).manifest.run: folder for folder in folders}
    runs = ((folder, class_of(load_run(folder).manifest)) for folder in by_run.values())
    done = []
    with _columns_beside(store, speaker) as keep_columns:
        for one in store.push(runs):
            if not one.was_there:
                keep_columns(one.kept, by_run[one.kept.run])
            done.append({"run": one.kept.run, "was_there": one.was_there})
            if not arguments.json:
                there = say("terminal.is_there", "{run}: is there already", run=one.kept.run)
                stored = say("terminal.stored", "{run}: stored", run=one.kept.run)
                speaker.out(there if one.was_there else stored)
    if arguments.json:
        print(json.dumps(done, indent=2))
    return Exit.OK


@contextmanager
def _columns_beside(store: Store, speaker: Speaker) -> Iterator[Callable[[KeptRun, Path], None]]:
    """Give a function that puts a run's columns beside it, where DuckDB is installed and the store keeps any.

    A run is stored whatever becomes of its columns: they are derived.
    """
    from tare.results.errors import ResultError  # noqa: PLC0415 - options are declared without it
    from tare.results.scratch import scratch_folder  # noqa: PLC0415
    from tare.results.stores import columns  # noqa: PLC0415

    if not (store.files.keeps_columns and columns.is_there()):
        yield lambda _kept, _run_dir: None
        return
    with (
        scratch_folder("sql") as scratch,
        columns.connect(scratch) as connection,
    ):

        def keep(kept: KeptRun, run_dir: Path) -> None:
            try:
                columns.push_columns(connection, store, kept, run_dir)
            except ResultError as error:
                speaker.note(say(
                    "terminal.no_columns", "{run} is stored, without columns: {error}", run=kept.run, error=error
                ))  # fmt: skip

        yield keep


def _pull(arguments: argparse.Namespace, store: Store, settings: Settings) -> int:
    known = _chosen(arguments, store)
    if arguments.references:
        chosen = [_meant(reference, known, store) for reference in arguments.references]
    else:
        chosen = known if arguments.all else known[-1:]
    folder = settings.output.results_dir
    done = [(kept, store.pull(kept, folder)) for kept in chosen]
    if arguments.json:
        print(json.dumps([{"run": kept.run, "was_here": how == "here"} for kept, how in done], indent=2))
        return Exit.OK
    speaker = speaker_of(arguments)
    for kept, how in done:
        path = folder / kept.run
        here = say("terminal.is_here", "{path} is here already", path=path)
        speaker.out(here if how == "here" else str(path))
    if not done:
        speaker.out(_no_such_run(store))
    return Exit.OK


def _chosen(arguments: argparse.Namespace, store: Store) -> list[KeptRun]:
    conditions = filter_from(arguments)
    return [kept for kept in store.runs() if conditions.admits(kept.host_class, kept.mode, kept.provenance)]


def _meant(reference: str, known: Sequence[KeptRun], store: Store) -> KeptRun:
    """Find the run of the store that an id, a name, the beginning of an id or ``latest`` means."""
    if reference == "latest" and known:
        return known[-1]
    for found in (
        [kept for kept in known if kept.run == reference],
        [kept for kept in known if kept.name == reference],
        [kept for kept in known if kept.run.startswith(reference)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(kept.run for kept in found[-8:])
            raise UsageError(say(
                "store.many_runs", "{reference!r} matches {found} runs of the store: {names}. Give a full id.",
                reference=reference, found=len(found), names=names,
            ))  # fmt: skip
    raise UsageError(say(
        "store.unknown_run", "no run in {address} is called {reference!r}. `tare store list` lists them.",
        address=store.files.address, reference=reference,
    ))  # fmt: skip


def _list(arguments: argparse.Namespace, store: Store, settings: Settings) -> int:
    del settings
    _print_runs(_chosen(arguments, store), arguments, _no_such_run(store))
    return Exit.OK


def _prune(arguments: argparse.Namespace, store: Store, settings: Settings) -> int:
    del settings
    doomed = store.doomed(arguments.keep) if arguments.dry_run else store.prune(arguments.keep)
    _print_runs(doomed, arguments, say("terminal.nothing_to_remove", "there is nothing to remove"))
    return Exit.OK


def _no_such_run(store: Store) -> str:
    return say("terminal.none", "there is no such run in {folder}", folder=store.files.address)


_HEAD = (*FACTS, say("terminal.trials", "trials"), "MiB", say("terminal.name", "name and labels"))


def _print_runs(runs: Iterable[KeptRun], arguments: argparse.Namespace, none: str) -> None:
    import msgspec  # noqa: PLC0415

    runs = list(runs)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(runs), indent=2).decode())
        return
    speaker = speaker_of(arguments)
    if runs:
        print(
            "\n".join(
                aligned(
                    [tuple(map(speaker.tell, _HEAD)), *(_row(one, speaker.tell) for one in runs)],
                    columns=room(),
                )
            )
        )
    else:
        speaker.out(none)


def _row(kept: KeptRun, tell: Tell) -> tuple[str, ...]:
    return (*facts(kept, tell), str(kept.trials), f"{kept.bytes / (1 << 20):.1f}", name_and_labels(kept))
