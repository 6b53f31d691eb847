"""Implement ``tare export RUN --format NAME``: write a stored run in the format of another tool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_run_argument
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.console import deliver
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.errors import NotWritten
from tare.results.said import say

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the run, the format and where to write."""
    from tare.reports.exports import FORMATS  # noqa: PLC0415 - only this command needs them

    add_run_argument(parser)
    parser.add_argument(
        "--format",
        required=True,
        choices=[export.NAME for export in FORMATS],
        metavar="NAME",
        help="; ".join(f"{export.NAME}: {export.SUMMARY}" for export in FORMATS),
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Render the run and write it to standard output or a file; the exit code is 0."""
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.reports.exports import FORMATS  # noqa: PLC0415
    from tare.reports.model import ReportInput  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    speaker = speaker_of(arguments)
    stored = load_run(run_folder_of(arguments.reference, layers.resolve(arguments).output))
    trials = tuple(stored.trials())
    export = {one.NAME: one for one in FORMATS}[arguments.format]
    for problem in stored.problems:
        speaker.note(say(
            "terminal.problem", "line {line} ({kind}): {what}", line=problem.line, kind=problem.kind, what=problem.what
        ))  # fmt: skip
    content = export.render(ReportInput(stored.manifest, trials, (), tuple(stored.problems)))
    if arguments.output is None:
        deliver(sys.stdout, content)
        return Exit.OK
    try:
        arguments.output.write_bytes(content)
    except OSError as error:
        raise NotWritten(say(
            "file.no_export", "cannot write {output}: {strerror}. Choose another --output.",
            output=arguments.output, strerror=error.strerror,
        )) from error  # fmt: skip
    return Exit.OK
