"""``tare ab --base CMD --head CMD``: two versions of a command, interleaved in one run on one machine.

What differs between two days, or two machines, hits both alike and cancels; so this is what CI should use.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from bench import pipeline, registry, saying
from bench.commands import requests
from bench.errors import EnvironmentMissing, Exit, UsageError

if TYPE_CHECKING:
    import argparse

BASE, HEAD = "base", "head"


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--base", required=True, metavar="CMD", help="the command as it was, in one word: quote it"
    )
    parser.add_argument("--head", required=True, metavar="CMD", help="the command to judge")
    parser.add_argument("--no-report", action="store_true", help="only measure, store and judge")
    saying.add_options(parser)
    requests.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure both and judge: 1 on a regression, 4 if something failed and none was found."""
    versions = tuple((name, _words(getattr(arguments, name), name)) for name in (BASE, HEAD))
    request = replace(requests.request_from(arguments), versions=versions)
    if not request.settings["run.runners"]:
        request = replace(request, settings={**request.settings, "run.runners": (registry.BASE,)})
    finished = pipeline.execute(request, requests.progress())
    # Imports pandas, which must not be in memory while something is measured.
    from bench.gatekeeping import compare_measured  # noqa: PLC0415

    outcome = compare_measured(finished.run_dir, BASE, HEAD, rules=saying.rules(arguments))
    saying.say(outcome, arguments)
    print(f"tare: results are in {finished.report or finished.run_dir}", file=sys.stderr)
    if finished.interrupted:
        return Exit.INTERRUPTED
    if not outcome.compared.comparisons:
        reasons = {t.reason for t in finished.trials if t.outcome != "ok"}
        raise EnvironmentMissing(
            f"nothing could be compared: {'; '.join(sorted(reasons)) or 'no block holds both versions'}"
        )
    return Exit.REGRESSION if outcome.regressed else finished.exit_code


def _words(command: str, name: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"--{name} {command!r} cannot be split into words: {error}.") from error
    if not words:
        raise UsageError(f"--{name} is empty: give a command.")
    return words
