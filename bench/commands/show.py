"""Implement ``tare show RUN``: give the answer of a stored run again, in the terminal. Writes nothing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.console import steer
from tare.bench.errors import Exit
from tare.bench.request import layers

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the run, and the language."""
    add_run_argument(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON: the headline, all answers with their intervals, failures",
    )
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Print the run's summary; the exit code is 0."""
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.bench.analysis.report import report_input  # noqa: PLC0415 - imports pandas
    from tare.reports.render import terminal  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    given = report_input(run_folder_of(arguments.reference, wanted))
    if arguments.json:
        from tare.bench.analysis.answer_json import as_json  # noqa: PLC0415 - only then

        print(json.dumps(as_json(given, wanted.language), indent=2))
        return Exit.OK
    steer(sys.stdout, terminal.render(given, stream=sys.stdout, language=wanted.language))
    return Exit.OK
