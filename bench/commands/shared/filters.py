"""Declare the arguments that choose among stored runs, shared by the commands that read them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tare.bench.request import readers
from tare.results.said import say

if TYPE_CHECKING:
    from tare.bench.analysis.listing import Filter


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the one run that a command reads, as ``reference``; the latest if none is given."""
    parser.add_argument(
        "reference", nargs="?", default="latest", metavar="RUN", help="id, name, path or `latest` (default)"
    )


def add_filter_options(parser: argparse.ArgumentParser, *, host_class: bool = True) -> None:
    """Declare the conditions on runs; ``host_class`` False where the command has an option of that name with a default."""
    group = parser.add_argument_group("which runs")
    if host_class:
        group.add_argument(
            "--host-class", metavar="CLASS", default="", help="only runs of hosts of this class"
        )
    group.add_argument("--branch", metavar="NAME", default="", help="only runs made on this branch")
    group.add_argument(
        "--commit", metavar="HASH", default="", help="only runs of this commit, by the beginning of its hash"
    )
    group.add_argument(
        "--label",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only runs with this label; may be repeated",
    )


def filter_from(arguments: argparse.Namespace) -> Filter:
    """Make the conditions that the options ask for."""
    from tare.bench.analysis.listing import Filter  # noqa: PLC0415 - options are declared without it
    from tare.bench.request.provenance import read_labels  # noqa: PLC0415

    return Filter(
        host_class=getattr(arguments, "host_class", None) or "",
        mode=getattr(arguments, "mode", ""),
        branch=arguments.branch,
        commit=arguments.commit,
        labels=read_labels(arguments.label),
    )


def some(text: str) -> int:
    """Read a number of runs, which is above 0, for argparse."""
    try:
        return readers.positive(text)
    except readers.Unreadable as error:
        raise argparse.ArgumentTypeError(
            say("filter.unusable", "cannot use {text!r}: {error}", text=text, error=error)
        ) from None
