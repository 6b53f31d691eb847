"""Implement ``tare run``: measure and report; with ``-- CMD ARGS...`` the user's own command, not the workloads."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.commands.shared.options import (
    add_label_option,
    add_request_options,
    counting_is_asked_for,
    request_from,
)
from tare.bench.commands.shared.own_options import (
    add_own_options,
    duets_are_open,
    given_own_options,
    with_own,
)
from tare.bench.console import steer
from tare.bench.request import layers
from tare.bench.request.declarations import SETTINGS
from tare.results.garbage import no_collection
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from tare.bench.request.request import Request


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a request, and what concerns this call."""
    add_request_options(parser)
    add_own_options(parser, several=True)
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with an interrupted run (id, name, path or `latest`); with --budget, a finished one, too, and with -k for these"
        " workloads alone",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="sample Python workloads and your own commands with py-spy in every place, after the measurement: flame graphs",
    )
    layers.add_options(parser, "commands", config=False)
    add_label_option(parser)
    parser.add_argument("--no-report", action="store_true", help="only measure and store")
    parser.add_argument(
        "--json", action="store_true", help="print JSON: the paths of results and report, and the outcomes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the pipeline and print where the results are; the exit code says how it ended."""
    with no_collection():
        from tare.bench import pipeline  # noqa: PLC0415 - options are declared without it
        from tare.bench.progress import Lines  # noqa: PLC0415

    request = _request(arguments)
    if counting_is_asked_for(arguments) and not (request.command or request.only_own or request.resume):
        raise UsageError(say(
            "run.count_command", "--count counts the instructions of a command: give one, as in `tare run --count -- CMD`.",
        ))  # fmt: skip
    if request.resume == "latest":
        from tare.bench.analysis.references import own_run_folder_of  # noqa: PLC0415 - only then

        # It tells of runs that are passed over.
        request = replace(request, resume=str(own_run_folder_of("latest", request.settings.output)))
    progress = Lines(language=request.settings.output.language)
    finished = pipeline.execute(request, progress, None if arguments.json else _answer)
    if arguments.json:
        print(json.dumps(finished.as_json(), indent=2))
    else:
        steer(sys.stdout, "".join(f"{progress.tell(line)}\n" for line in finished.closing_lines()))
    return finished.exit_code


def _answer(summary: str) -> None:
    """Print the summary while the report is still to be written."""
    steer(sys.stdout, summary if summary.endswith("\n") else f"{summary}\n")
    sys.stdout.flush()


def _request(arguments: argparse.Namespace) -> Request:
    """Make the request; a run that is gone on with keeps what it was asked, but for more measuring time.

    Raises:
        UsageError: an option would change the plan of the run that is gone on with.
    """
    request = with_own(request_from(arguments), arguments)
    if not request.resume:
        return replace(request, try_duets=bool(request.command) and duets_are_open(arguments))
    changed = [
        setting.option
        for setting in SETTINGS
        if getattr(arguments, setting.key, None) is not None
        and setting.group not in {"output", "commands"}
        and setting.key not in {"run.budget", "run.keyword"}
    ]
    changed += [f"--{request.mode}"] if request.mode != "default" else []
    changed += ["--carry"] if request.carry else []
    changed += [one for one in given_own_options(arguments) if one != "--show-output"]
    changed += ["--label"] if request.labels else []
    changed += ["-- CMD"] if request.command else []
    if changed:
        raise UsageError(say(
            "run.resume_changed", "--resume goes on with a run as it was planned: {changed} cannot be given with it. Only --budget "
            "can, which adds measuring time, and -k, which says for which workloads; for anything else start a new run.",
            changed=", ".join(changed),
        ))  # fmt: skip
    given = getattr(arguments, "run.budget", None)
    extension = request.settings.run.budget_seconds if given is not None else None
    keyword = getattr(arguments, "run.keyword", None) or ""
    if keyword and not extension:
        raise UsageError(say(
            "run.resume_keyword", "-k says what added measuring time is for: give --budget with it, as in --budget 6m.",
        ))  # fmt: skip
    return replace(request, extension_seconds=extension or 0.0, extension_keyword=keyword)
