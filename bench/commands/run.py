"""Implement ``tare run``: measure and report; with ``-- CMD ARGS...`` the user's own command, not the workloads."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tare.bench import pipeline
from tare.bench.commands.shared.options import add_request_options, request_from
from tare.bench.console import steer
from tare.bench.progress import Lines

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a request, and what concerns this call."""
    add_request_options(parser)
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with an interrupted run: id, name, path or `latest`"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="sample the python workload with py-spy in every place that allows it",
    )
    parser.add_argument("--no-report", action="store_true", help="only measure and store")
    parser.add_argument(
        "--json", action="store_true", help="print JSON: the paths of results and report, and the outcomes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the pipeline and print where the results are; the exit code says how it ended."""
    finished = pipeline.execute(request_from(arguments), Lines())
    if arguments.json:
        print(json.dumps(finished.as_json(), indent=2))
    else:
        steer(sys.stdout, "".join(f"{line}\n" for line in finished.closing_lines()))
    return finished.exit_code
