"""Implement ``tare import FILE``: turn a file of another tool into a run, labelled as imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.options import add_label_option
from tare.bench.errors import Exit
from tare.bench.request import layers

if TYPE_CHECKING:
    import argparse


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the file, its format and the run's name."""
    from tare.results.imports import FORMATS  # noqa: PLC0415 - only this command needs them

    parser.add_argument("file", type=Path, metavar="FILE", help="the file, possibly compressed by gzip")
    parser.add_argument("--name", default="", help="a name to find the run by (default: the file's)")
    parser.add_argument(
        "--format",
        choices=[one.NAME for one in FORMATS],
        default="",
        metavar="NAME",
        help="; ".join(f"{one.NAME}: {one.SUMMARY}" for one in FORMATS) + " (default: detected)",
    )
    add_label_option(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """Import the file and print the run's folder on the last line; the exit code is 0."""
    from tare.bench.request.provenance import provenance, read_labels  # noqa: PLC0415
    from tare.results.imports import import_file  # noqa: PLC0415
    from tare.results.statistics.phrases import count  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    folder = import_file(
        arguments.file,
        layers.resolve(arguments).output.results_dir,
        name=arguments.name,
        format_name=arguments.format,
        provenance=provenance(arguments.argv, read_labels(arguments.label), arguments.file.absolute().parent),
    )
    stored = load_run(folder)
    trials = list(stored.trials())
    bad = [trial for trial in trials if trial.outcome != "ok"]
    for problem in stored.problems:
        print(
            f"tare: trial {problem.line - 1}: {problem.what}; it is kept, marked as invalid", file=sys.stderr
        )
    for trial in bad:
        if trial.not_finite:
            print(
                f"tare: trial {trial.number}: {trial.reason}; it is kept, marked as invalid", file=sys.stderr
            )
    source = stored.manifest.imported
    if source and source.ignored_columns:
        ignored = ", ".join(source.ignored_columns)
        print(f"tare: columns not known here and not used: {ignored}", file=sys.stderr)
    if source and source.medians_only:
        lacking = count(len(source.medians_only), "benchmark")
        print(f"tare: {lacking} without raw data, so with a median alone", file=sys.stderr)
    series = {(trial.workload, trial.runner, str(trial.parameters)) for trial in trials}
    form = source.format if source else "?"
    made = f"{count(len(trials), 'trial')} of {count(len(series), 'series', 'series')}"
    print(f"imported {made} ({form}), {len(bad) or 'none'} of them not ok")
    print(folder)
    return Exit.OK
