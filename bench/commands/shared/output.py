"""How ``compare`` and ``ab`` say what they found: one format on standard output, others into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from tare.bench.analysis.comparison import Rules
    from tare.bench.analysis.gate_report import GateReport

FORMATS = ("text", "markdown", "json", "junit")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    judging = parser.add_argument_group("judgement")
    judging.add_argument(
        "--thresholds", type=Path, metavar="FILE", help="relative differences that matter, by series"
    )
    judging.add_argument(
        "--multiplicity",
        choices=("bh", "holm", "none"),
        default="bh",
        help="withdraw calls that so many comparisons lead to by chance: by Benjamini and Hochberg (default) or Holm",
    )
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, default="text", help="on standard output (default: text)")
    group.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )
    for name in ("markdown", "junit"):
        note = "; appended, as step summaries want it" if name == "markdown" else ""
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"also write {name} to a file{note}")


def rules(arguments: argparse.Namespace) -> Rules:
    """The rules that the options make."""
    from tare.bench.analysis.comparison import Rules  # noqa: PLC0415 - imports pandas

    return Rules(arguments.thresholds, arguments.multiplicity)


def say(outcome: GateReport, arguments: argparse.Namespace) -> None:
    """Print, and write the files.

    Raises:
        UsageError: a file cannot be written.
    """
    writers = {"text": outcome.as_text, "markdown": outcome.as_markdown, "json": outcome.as_json}
    print(outcome.as_junit().decode() if arguments.format == "junit" else writers[arguments.format]())
    if arguments.markdown:
        _write(arguments.markdown, f"{outcome.as_markdown()}\n".encode(), "ab")
    if arguments.junit:
        _write(arguments.junit, outcome.as_junit(), "wb")


def _write(path: Path, content: bytes, mode: str) -> None:
    try:
        with path.open(mode) as file:
            file.write(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}. Choose another file.") from error
