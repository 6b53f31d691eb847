"""Implement ``tare import FILE …``: turn files of other tools into runs, labelled as imported, and list them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.options import add_label_option
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.said import say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from tare.bench.commands.shared.speaking import Speaker


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the files, their format and the run's name."""
    from tare.results.imports import FORMATS  # noqa: PLC0415 - only this command needs them

    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="files, possibly compressed by gzip: a run of each",
    )
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
    """Import the files, each with its run's folder on its last line, and list the runs anew; the exit code is 0.

    A file that cannot be read ends it; those before it are imported.
    """
    from tare.bench.analysis.pages import write_index  # noqa: PLC0415 - imports the page

    if arguments.name and len(arguments.files) > 1:
        raise UsageError(
            say(
                "import.one_name",
                "--name names one run, and there are several files. Leave it out: each run is named by its file.",
            )
        )
    wanted = layers.resolve(arguments).output
    speaker = speaker_of(arguments)
    try:
        for file in arguments.files:
            _import(file, arguments, wanted.results_dir, speaker)
    finally:
        # The runs are stored; that they cannot be listed on a page is no reason to fail.
        with suppress(OSError):
            write_index(wanted.results_dir, wanted.reports_dir, wanted.language)
    return Exit.OK


def _import(file: Path, arguments: argparse.Namespace, results_dir: Path, speaker: Speaker) -> None:
    from tare.bench.request.provenance import provenance, read_labels  # noqa: PLC0415
    from tare.results.imports import import_file  # noqa: PLC0415
    from tare.results.statistics.phrases import count  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    folder = import_file(
        file,
        results_dir,
        name=arguments.name,
        format_name=arguments.format,
        provenance=provenance(arguments.argv, read_labels(arguments.label), file.absolute().parent),
    )
    stored = load_run(folder)
    trials = list(stored.trials())
    bad = [trial for trial in trials if trial.outcome != "ok"]
    for problem in stored.problems:
        speaker.note(_invalid(problem.line - 1, problem.what))
    for trial in bad:
        if trial.not_finite:
            speaker.note(_invalid(trial.number, trial.reason))
    source = stored.manifest.imported
    if source and source.ignored_columns:
        ignored = ", ".join(source.ignored_columns)
        speaker.note(say(
            "terminal.ignored_columns", "columns not known here and not used: {names}", names=ignored
        ))  # fmt: skip
    if source and source.medians_only:
        lacking = count(len(source.medians_only), "benchmark")
        speaker.note(say(
            "terminal.medians_only", "{benchmarks} without raw data, so with a median alone", benchmarks=lacking
        ))  # fmt: skip
    series = {(trial.workload, trial.runner, str(trial.parameters)) for trial in trials}
    form = source.format if source else "?"
    speaker.out(say(
        "terminal.imported", "imported {trials} of {series} ({form}), {bad} of them not ok",
        trials=count(len(trials), "trial"), series=count(len(series), "series", "series"), form=form,
        bad=len(bad) or say("condition.none", "none"),
    ))  # fmt: skip
    print(folder)


def _invalid(number: int, why: str) -> str:
    return say(
        "terminal.marked_invalid", "trial {number}: {why}; it is kept, marked as invalid", number=number, why=why
    )  # fmt: skip
