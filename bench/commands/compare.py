"""Implement ``tare compare BASE HEAD``: compare two stored runs; exit 1 only on a regression that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.commands.shared import output
from tare.bench.request import layers
from tare.results.said import listed, say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the two runs, and the options of judgement and output."""
    parser.add_argument("base", metavar="BASE", help="the earlier run: id, name, path or `latest`")
    parser.add_argument(
        "head", metavar="HEAD", nargs="?", default="latest", help="the run to judge (default: latest)"
    )
    parser.add_argument(
        "--allow-unlike", action="store_true", help="compare even if hosts or settings differ"
    )
    output.add_output_options(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; exit 1 on a regression, 4 if something could not be compared, 3 if nothing could."""
    from tare.bench.analysis.comparison import compare_stored, not_compared  # noqa: PLC0415 - imports pandas
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.results.judgement.between_runs import UnlikeRunsError  # noqa: PLC0415

    wanted = layers.resolve(arguments).output
    base, head = (run_folder_of(reference, wanted) for reference in (arguments.base, arguments.head))
    if base.resolve() == head.resolve():
        raise UsageError(say(
            "compare.same_run", "BASE and HEAD are both the run {name}: name two runs, the earlier one first.",
            name=base.name,
        ))  # fmt: skip
    try:
        outcome = compare_stored(
            base, head, rules=output.rules_from(arguments), allow_unlike=arguments.allow_unlike
        )
    except UnlikeRunsError as error:
        # CI reads these, and no message on stderr.
        output.write_for_programs(not_compared(base, head, error.fields), arguments, wanted.language)
        fields = listed(("", *error.fields), "\n  ")
        raise UsageError(say(
            "compare.unlike", "{base} and {head} are not alike, so they are not compared:{fields}\nMeasure both under the same "
            "conditions, or say with --allow-unlike that the difference is meant.",
            base=_named(arguments.base, base), head=_named(arguments.head, head), fields=fields,
        )) from error  # fmt: skip
    output.write_report(outcome, arguments, wanted.language)
    return outcome.exit_code


def _named(reference: str, folder: Path) -> str:
    """Name a run as the user did, and by its id where that says less."""
    return reference if folder.name in reference else f"{reference} ({folder.name})"
