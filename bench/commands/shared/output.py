"""Output options and writers shared by ``compare`` and ``ab``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.request.readers import Unreadable, percentage
from tare.results.errors import NotWritten
from tare.results.said import say

if TYPE_CHECKING:
    from tare.bench.analysis.comparison import Rules
    from tare.bench.analysis.gate_report import GateReport
    from tare.reports.model import Language
    from tare.results.judgement.thresholds import Thresholds

FORMATS = ("text", "markdown", "json", "junit")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of judgement and output."""
    judging = parser.add_argument_group("judgement")
    judging.add_argument(
        "--thresholds",
        type=Path,
        metavar="FILE",
        help="file with the relative differences that matter, by series",
    )
    judging.add_argument(
        "--threshold",
        type=_share,
        metavar="PERCENT",
        help="relative difference that matters (default: 2%%, or what the file says)",
    )
    judging.add_argument(
        "--multiplicity",
        choices=("bh", "holm", "none"),
        default="bh",
        help="correction for many comparisons: Benjamini-Hochberg (bh, default), Holm, or none",
    )
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format", choices=FORMATS, default="text", help="format of standard output (default: text)"
    )
    group.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )
    for name in ("markdown", "junit"):
        note = "; appended to, as CI step summaries require" if name == "markdown" else ""
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"also write {name} to a file{note}")
    group.add_argument("--html", type=Path, metavar="FILE", help="also write a page with what changed first")


def rules_from(arguments: argparse.Namespace) -> Rules:
    """Make the rules of judgement that the options ask for."""
    from tare.bench.analysis.comparison import Rules  # noqa: PLC0415 - imports pandas

    return Rules(thresholds_from(arguments), arguments.multiplicity)


def thresholds_from(arguments: argparse.Namespace) -> Thresholds:
    """Read the file of thresholds if there is one, and apply the threshold that was asked for."""
    from tare.results.judgement.thresholds import Thresholds, read_thresholds  # noqa: PLC0415 - not for --help

    found = read_thresholds(arguments.thresholds) if arguments.thresholds else Thresholds()
    return found if arguments.threshold is None else replace(found, default=arguments.threshold)


def _share(text: str) -> float:
    try:
        return percentage(text)
    except Unreadable as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def write_for_programs(report: GateReport, arguments: argparse.Namespace, language: Language = "en") -> None:
    """Write a report as :func:`write_report` does, but print no text, in place of which there is an error message.

    Raises:
        NotWritten: a file cannot be written.
    """
    if arguments.format != "text":
        print(_formatted(report, arguments.format, language))
    _write_files(report, arguments, language)


def write_report(report: GateReport, arguments: argparse.Namespace, language: Language = "en") -> None:
    """Print the report in the chosen format, and write the files that are asked for.

    Raises:
        NotWritten: a file cannot be written.
    """
    print(_formatted(report, arguments.format, language))
    _write_files(report, arguments, language)


def _formatted(report: GateReport, chosen: str, language: Language) -> str:
    """Write a report for people in their language; what programs read is English always."""
    if chosen in {"json", "junit"}:
        return report.as_json() if chosen == "json" else report.as_junit().decode()
    return report.as_text(language) if chosen == "text" else report.as_markdown(language)


def _write_files(report: GateReport, arguments: argparse.Namespace, language: Language) -> None:
    if arguments.markdown:
        _write(arguments.markdown, f"{report.as_markdown(language)}\n".encode(), "ab")
    if arguments.junit:
        _write(arguments.junit, report.as_junit(), "wb")
    if arguments.html:
        from tare.bench.analysis.pages import write_comparison  # noqa: PLC0415 - only then

        write_comparison(report, arguments.html, language)


def _write(path: Path, content: bytes, mode: str) -> None:
    try:
        with path.open(mode) as file:
            file.write(content)
    except OSError as error:
        raise NotWritten(say(
            "file.not_written", "cannot write {path}: {strerror}. Choose another file.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
