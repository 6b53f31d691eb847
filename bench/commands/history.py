"""Implement ``tare history``: list every series over all runs of a host class, and the run since which it is bad."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.commands.shared.filters import add_filter_options, filter_from
from tare.bench.commands.shared.speaking import speaker_of
from tare.bench.commands.shared.stored import add_store_options, columns_of, is_stored
from tare.bench.commands.shared.tables import aligned
from tare.bench.errors import Exit
from tare.bench.request import layers
from tare.results.errors import NotWritten
from tare.results.printable import one_line
from tare.results.said import Name, say
from tare.runners.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from tare.bench.analysis.history import Histories, History, Wanted
    from tare.bench.commands.shared.speaking import Speaker, Tell


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the runs, what is listed, and the outputs."""
    parser.add_argument(
        "references",
        nargs="*",
        metavar="RUN",
        help="ids, names, paths or `latest`, oldest first (default: all runs)",
    )
    parser.add_argument("--host-class", metavar="CLASS", help="host class to list (default: this host's)")
    add_filter_options(parser, host_class=False)
    parser.add_argument("--with-quick", action="store_true", help="include quick runs")
    parser.add_argument(
        "--all-metrics", action="store_true", help="include metrics that workloads are not judged by"
    )
    parser.add_argument(
        "--thresholds",
        type=Path,
        metavar="FILE",
        help="file with the relative changes that matter, by series",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="also write a page: a chart for each workload, and what changed",
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="also write Markdown for a pull request or a step summary, what changed first",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the histories into a PNG file")
    parser.add_argument(
        "--otava",
        type=Path,
        metavar="FILE",
        help="also write them as CSV for Apache Otava; FILE-2, … for series that some runs lack",
    )
    add_store_options(parser)
    layers.add_options(parser, "output")


def run(arguments: argparse.Namespace) -> int:
    """List the series, and draw or export them if asked; the exit code is 0."""
    found, speaker = _found(arguments), speaker_of(arguments)
    if arguments.json:
        print(
            json.dumps(
                {
                    "host_class": found.host_class,
                    "left_out": list(found.left_out),
                    "series": [one.as_json() for one in found.histories],
                },
                indent=2,
            )
        )
    else:
        print("\n".join(one_line(speaker.tell(line)) for line in _lines(found, speaker.tell)))
    if arguments.html or arguments.markdown:
        from tare.bench.analysis import pages  # noqa: PLC0415 - only then

        wanted = layers.resolve(arguments).output
        for path, write in (
            (arguments.html, pages.write_history),
            (arguments.markdown, pages.write_history_summary),
        ):
            if path:
                write(found, path, wanted.reports_dir, wanted.language)
    try:
        if arguments.plot:
            _plot(found, arguments.plot, speaker)
        if arguments.otava:
            _write_otava(found, arguments.otava, speaker)
    except OSError as error:
        raise NotWritten(say(
            "file.no_history", "cannot write {filename}: {strerror}. Choose another file.",
            filename=error.filename, strerror=error.strerror,
        )) from error  # fmt: skip
    return Exit.OK


def _found(arguments: argparse.Namespace) -> Histories:
    """Read the runs of the folder, or of the store, and search their histories."""
    from tare.bench.analysis import history  # noqa: PLC0415 - imports pandas
    from tare.bench.analysis.baselines import ThisHost  # noqa: PLC0415
    from tare.bench.analysis.listing import class_of  # noqa: PLC0415
    from tare.bench.analysis.references import run_folder_of  # noqa: PLC0415
    from tare.results.judgement.thresholds import Thresholds, read_thresholds  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    settings = layers.resolve(arguments)

    def wanted(host_class: str) -> Wanted:
        return history.Wanted(
            host_class=arguments.host_class or host_class,
            thresholds=read_thresholds(arguments.thresholds) if arguments.thresholds else Thresholds(),
            quick=arguments.with_quick,
            all_metrics=arguments.all_metrics,
            conditions=replace(filter_from(arguments), host_class=""),
        )

    if is_stored(arguments):
        if arguments.references or arguments.otava:
            raise UsageError(say(
                "history.stored", "--stored takes all runs of the store: name none, and pull them for --otava.",
            ))  # fmt: skip
        with columns_of(settings, stored=True) as (connection, columns):
            classes = {one.head.host_class for one in columns}
            own = classes.pop() if len(classes) == 1 else ThisHost.read().host_class
            return history.collect_columns(columns, wanted(own), connection)
    if arguments.references:
        folders = [run_folder_of(reference, settings.output) for reference in arguments.references]
        own = class_of(load_run(folders[0]).manifest)
    else:
        folders = history.stored_runs(settings.output.results_dir)
        own = history.likely_class(folders, ThisHost.read().host_class)
    return history.collect(folders, wanted(own))


def _lines(found: Histories, tell: Tell) -> Iterator[str]:
    from tare.reports.text import numbers  # noqa: PLC0415
    from tare.results.statistics.changepoints import FEWEST_RUNS  # noqa: PLC0415
    from tare.results.statistics.phrases import count  # noqa: PLC0415
    from tare.results.stores.model import COMMIT_CHARACTERS  # noqa: PLC0415

    changed = sum(bool(one.changes) for one in found.histories)
    yield say(
        "terminal.history", "{runs} of host class {host_class}; changed: {changed} of {series}",
        runs=count(found.runs, "run"), host_class=found.host_class, changed=changed,
        series=count(len(found.histories), "series", "series"),
    )  # fmt: skip
    told = sorted(found.histories, key=lambda one: not one.changes)
    lines = aligned([tuple(map(tell, _HEAD)), *(_row(one, tell) for one in told)])
    yield next(lines)
    for one, line in zip(told, lines, strict=True):
        yield line
        for change in one.changes:
            point = one.points[change.index]
            values = {
                "run": f"{point.run} ({point.name})" if point.name else point.run,
                "change": numbers.change(change.ratio),
                "p": _p(change.p),
            }
            if one.worse(change):
                yield say("terminal.worse_since", "    worse since {run}: {change}, p {p}", **values)
            else:
                yield say("terminal.better_since", "    better since {run}: {change}, p {p}", **values)
            if commits := one.commits_of(change):
                old, new = (commit[:COMMIT_CHARACTERS] for commit in commits)
                yield say(
                    "terminal.commits", "        commit {new}, after {old} in the run before", new=new, old=old
                )  # fmt: skip
        if one.first_bad:
            yield say("terminal.first_bad", "    first bad run: {run}", run=one.first_bad.run)
    if short := sum(len(one.points) < FEWEST_RUNS for one in found.histories):
        yield say(
            "terminal.short_histories", "Too short to be searched for changes, with fewer than {fewest} runs: {n} of {series} series.",
            n=short, series=len(found.histories), fewest=FEWEST_RUNS,
        )  # fmt: skip
    yield from found.left_out


_LONGEST_NAME = 48
"""Characters of a workload's name, so that one long name does not push all histories off the screen."""

_HEAD = (
    say("terminal.workload", "workload"),
    say("terminal.metric", "metric"),
    say("terminal.runner", "runner"),
    say("terminal.number_of_runs", "runs"),
    say("terminal.first_median", "first"),
    say("terminal.last_median", "last"),
    say("terminal.over_time", "over time"),
)


def _row(one: History, tell: Tell) -> tuple[str, ...]:
    from tare.reports.text import numbers  # noqa: PLC0415

    first, last = (numbers.quantity(point.median, one.unit) for point in (one.points[0], one.points[-1]))
    line = sparkline([point.median for point in one.points])
    case = tell(_case(one))
    case = (
        case
        if len(case) <= _LONGEST_NAME
        else f"{case[: _LONGEST_NAME // 2]}…{case[-_LONGEST_NAME // 2 + 1 :]}"
    )
    return case, one.metric, one.runner, str(len(one.points)), first, last, line


def _p(value: float) -> str:
    """Write a p-value, which a computer's numbers may round to 0."""
    return f"= {value:.2g}" if value >= 1e-4 else "< 0.0001"


_BARS = "▁▂▃▄▅▆▇█"
_LONGEST_LINE = 40


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars between their least and greatest; empty if there is one value, or all are equal.

    Of many, each bar is the median of as many neighbours, so that changes of long ago show as well.
    """
    each = -(-len(values) // _LONGEST_LINE)
    shown = [statistics.median(values[at : at + each]) for at in range(0, len(values), each)]
    low, high = min(shown), max(shown)
    if low == high:
        return ""
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in shown)


def _case(one: History) -> str:
    from tare.reports.exports.series import case_title  # noqa: PLC0415
    from tare.reports.summaries.names import titled  # noqa: PLC0415
    from tare.reports.text.words import quotable  # noqa: PLC0415

    return titled(one.workload, Name(case_title(one.workload, one.parameters)), quotable())


def _title(one: History) -> str:
    return say(
        "terminal.series_title", "{case} {metric} on {runner}",
        case=_case(one), metric=one.metric, runner=one.runner,
    )  # fmt: skip


def _plot(found: Histories, path: Path, speaker: Speaker) -> None:
    from tare.reports.plots import fonts, history, style  # noqa: PLC0415
    from tare.reports.text.words import words  # noqa: PLC0415

    panels = [
        history.Panel(
            speaker.tell(_title(one)),
            one.unit,
            tuple(p.median for p in one.points),
            tuple((c.index, one.worse(c)) for c in one.changes),
        )
        for one in found.histories
    ]
    if not panels:
        speaker.note(say("terminal.nothing_to_draw", "nothing to draw: no run has good values"))
        return
    boxes: set[str] = set()
    with style.styled(), fonts.missing_glyphs(boxes):
        history.draw(panels, words(speaker.language)).savefig(path, format="png", dpi=150)
    if boxes:
        speaker.note(say(
            "terminal.boxes", "no installed font has {letters}: drawn as boxes", letters=" ".join(sorted(boxes))
        ))  # fmt: skip


def _write_otava(found: Histories, path: Path, speaker: Speaker) -> None:
    """Write the histories; series that some runs lack go to files of their own: ``h-2.csv`` beside ``h.csv``."""
    from tare.reports.exports import otava  # noqa: PLC0415
    from tare.reports.model import ReportInput  # noqa: PLC0415
    from tare.results.storage.load import load_run  # noqa: PLC0415

    runs = [load_run(path) for path in found.folders]
    tables = otava.tables([ReportInput(run.manifest, tuple(run.trials()), ()) for run in runs])
    for number, table in enumerate(tables, 1):
        one = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        one.write_bytes(table)
        if number > 1:
            speaker.note(say(
                "terminal.otava", "{path} has series that some of the runs lack: Otava reads no empty cells", path=one
            ))  # fmt: skip
