"""Implement ``tare report``: write the report of a stored run again, for instance in another language."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.console import steer
from tare.bench.errors import Exit
from tare.bench.request import layers

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the run, and where the report goes."""
    add_run_argument(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Write the report and print its path on the last line; the exit code is 0."""
    from tare.bench.analysis.references import own_run_folder_of  # noqa: PLC0415
    from tare.bench.analysis.report import report_run  # noqa: PLC0415 - imports pandas

    wanted = layers.resolve(arguments).output
    run_dir = own_run_folder_of(arguments.reference, wanted)
    written = report_run(run_dir, wanted.reports_dir, language=wanted.language, stream=sys.stdout)
    steer(sys.stdout, f"{written.summary}\n")
    print(written.index)
    return Exit.OK
