"""``tare run``: measure and report; with ``-- CMD ARGS...`` the user's own command instead of the workloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tare.bench import pipeline
from tare.bench.commands.shared import options as requests

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    requests.add_options(parser)
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with an interrupted run: its id, name, path or `latest`"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="sample the python workload with py-spy in every place that allows it",
    )
    parser.add_argument("--no-report", action="store_true", help="only measure and store")
    parser.add_argument(
        "--json", action="store_true", help="print where results and report are, and the counts, as JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure."""
    finished = pipeline.execute(requests.request_from(arguments), requests.progress())
    if arguments.json:
        print(json.dumps(finished.as_json(), indent=2))
    else:
        print("\n".join(finished.closing_lines()))
    return finished.exit_code
