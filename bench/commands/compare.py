"""``tare compare BASE HEAD``: two stored runs side by side; exit 1 only on a regression that matters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench import settings
from bench.errors import Exit

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("base", metavar="BASE", help="the earlier run: id, name, path or `latest`")
    parser.add_argument(
        "head", metavar="HEAD", nargs="?", default="latest", help="the run to judge (default: latest)"
    )
    parser.add_argument(
        "--thresholds", type=Path, metavar="FILE", help="relative differences that matter, by series"
    )
    parser.add_argument(
        "--allow-unlike", action="store_true", help="compare in spite of differing hosts or settings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    settings.add_options(parser, "places")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; the exit code is the gate's."""
    from bench.gatekeeping import compare_stored  # noqa: PLC0415 - imports pandas

    outcome = compare_stored(
        arguments.base,
        arguments.head,
        settings.resolve(arguments)["run.results_dir"],
        thresholds=arguments.thresholds,
        allow_unlike=arguments.allow_unlike,
    )
    print(outcome.as_json() if arguments.json else outcome.as_text())
    return Exit.REGRESSION if outcome.regressed else Exit.OK
