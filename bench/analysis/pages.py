"""Write the pages beside a run's report: the list of all runs, comparisons and histories."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from tare.bench.analysis.listing import listed
from tare.bench.analysis.styles import runner_styles
from tare.reports.content import comparison, history, runs
from tare.reports.exports.series import case_title
from tare.reports.model import PAGES
from tare.reports.render.changes import missing_title
from tare.reports.render.html.render import Document, render_document
from tare.reports.render.markdown import render_sections
from tare.reports.summaries.cases import single_cases
from tare.reports.summaries.runners import RunnerDisplay
from tare.reports.text.repeated import repeat
from tare.reports.text.words import words
from tare.results.errors import NotWritten
from tare.results.escapes import readable
from tare.results.said import say, shown
from tare.results.storage.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.analysis.gate_report import GateReport
    from tare.bench.analysis.history import Histories, History
    from tare.bench.analysis.listing import ListedRun
    from tare.reports.model import Language

INDEX = "index.html"
COMPARISON = "comparison.html"


def write_index(results_dir: Path, reports_dir: Path, language: Language) -> Path:
    """Write the list of all runs, each with a link to its report.

    Raises:
        OSError: the folder of the reports cannot be written.
    """
    spoken = words(language)
    rows = [_run_row(one, reports_dir, language) for one in listed(results_dir)]
    page = Document(
        spoken,
        spoken("runs.title"),
        spoken("runs.facts", folder=readable(str(results_dir))),
        runs.sections(rows, spoken),
        spoken("runs.made"),
    )
    path = reports_dir / INDEX
    reports_dir.mkdir(parents=True, exist_ok=True)
    write_whole(path, render_document(page).encode("utf-8", "surrogatepass"))
    return path


def _run_row(one: ListedRun, reports_dir: Path, language: Language) -> runs.RunRow:
    verdicts = None if one.verdicts is None else msgspec.structs.asdict(one.verdicts)
    return runs.RunRow(
        one.head,
        verdicts,
        _report(one.head.run, reports_dir, reports_dir, language),
        one.unreadable,
        str(one.path) if one.copied else "",
    )


def _report(run: str, reports_dir: Path, beside: Path, language: Language) -> str:
    """Give the way from a folder to a run's report, in the language if there is one; empty if there is none."""
    pages = (reports_dir / run / PAGES[one] for one in (language, "en"))
    page = next((one for one in pages if one.is_file()), None)
    if page is None:
        return ""
    return quote(os.fsencode(os.path.relpath(page.absolute(), beside.absolute())))


def write_comparison(report: GateReport, path: Path, language: Language = "en") -> None:
    """Write a comparison as a page.

    Raises:
        NotWritten: the file cannot be written.
    """
    spoken = words(language)
    compared = comparison.Compared(
        report.base,
        report.head,
        report.gate,
        tuple(f"{missing_title(one, spoken)}: {repeat(one.reason, spoken)}" for one in report.missing),
        report.compared.unlike,
        report.remarks,
        report.hosts,
    )
    names = {"base": report.base, "head": report.head}
    page = Document(
        spoken,
        spoken("comparison.title", **names),
        spoken("comparison.facts", **_named_sides(report)),
        comparison.sections(compared, spoken),
        spoken("comparison.made"),
    )
    _write(path, render_document(page))


def _named_sides(report: GateReport) -> dict[str, str]:
    """Name base and head, with what they are where that is known."""
    sides = {"base": (report.base, report.sides[0]), "head": (report.head, report.sides[1])}
    return {side: f"{name} ({shown(what)})" if what else name for side, (name, what) in sides.items()}


def write_history(found: Histories, path: Path, reports_dir: Path, language: Language = "en") -> None:
    """Write the histories of a host class as a page, whose points lead to the runs' reports.

    Raises:
        NotWritten: the file cannot be written.
    """
    _write(path, render_document(_history_page(found, reports_dir, path.parent, language)))


def write_history_summary(found: Histories, path: Path, reports_dir: Path, language: Language = "en") -> None:
    """Write the histories of a host class in Markdown, what changed last first.

    Raises:
        NotWritten: the file cannot be written.
    """
    page = _history_page(found, reports_dir, path.parent, language)
    _write(path, render_sections(page.title, page.facts, page.sections))


def _history_page(found: Histories, reports_dir: Path, beside: Path, language: Language) -> Document:
    spoken, display = words(language), RunnerDisplay(runner_styles())
    plain = single_cases((one.workload, case_title(one.workload, one.parameters)) for one in found.histories)
    runs_of_all = {point.run for one in found.histories for point in one.points}
    pages = {run: _report(run, reports_dir, beside, language) for run in runs_of_all}
    series = tuple(
        _series(one, display.color(one.runner), pages, plain=one.workload in plain) for one in found.histories
    )
    moments = [run.seconds for one in series for run in one.runs]
    ends = [
        datetime.datetime.fromtimestamp(each, datetime.UTC).strftime("%Y-%m-%d")
        for each in ((min(moments), max(moments)) if moments else (0.0, 0.0))
    ]
    return Document(
        spoken,
        spoken("history.title", host=found.host_class),
        spoken("history.facts", host=found.host_class, runs=found.runs, first=ends[0], last=ends[1]),
        history.sections(series, found.left_out, spoken),
        spoken("history.made"),
    )


def _series(one: History, color: str, pages: Mapping[str, str], *, plain: bool) -> history.PastSeries:
    """Convert a history; ``pages``: run → its report; ``plain``: name the workload alone, since there is no other case of it."""
    changes = {change.index: change for change in one.changes}
    return history.PastSeries(
        one.workload if plain else case_title(one.workload, one.parameters),
        one.metric,
        one.unit,
        one.runner,
        color,
        tuple(
            history.PastRun(
                point.run,
                point.name,
                _seconds(point.created),
                point.commit,
                point.median,
                point.low,
                point.high,
                point.values,
                pages[point.run],
                ("worse" if one.worse(changes[at]) else "better") if at in changes else "",
                changes[at].ratio if at in changes else 1.0,
            )
            for at, point in enumerate(one.points)
        ),
    )


def _seconds(created: str) -> float:
    """Read a moment in ISO 8601; the epoch if it is none, as in a damaged record."""
    try:
        moment = datetime.datetime.fromisoformat(created)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise NotWritten(say(
            "file.not_written", "cannot write {path}: {strerror}. Choose another file.",
            path=path, strerror=error.strerror,
        )) from error  # fmt: skip
