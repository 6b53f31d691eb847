"""Compare a stored run's runners and write its report. Imports pandas and matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.analysis.calibration_lookup import known_calibration
from tare.bench.analysis.listing import count_verdicts, keep_verdicts
from tare.bench.analysis.styles import runner_styles
from tare.bench.planning.plan import BASE_VARIANT
from tare.bench.request.record import request_of
from tare.reports.model import PROFILES, ReportInput
from tare.reports.render import terminal
from tare.reports.summaries.run import summarised
from tare.results.errors import NotWritten
from tare.results.garbage import no_collection
from tare.results.judgement.answers import withdraw_chance
from tare.results.judgement.counts import compare_counts
from tare.results.judgement.rungs import rung_costs
from tare.results.judgement.within_run import compare_versions, compare_within
from tare.results.record import BASE
from tare.results.said import say
from tare.results.statistics.series import good_series
from tare.results.storage.counts import read_counts
from tare.results.storage.load import load_run
from tare.results.tables.frame import read_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

    from tare.reports.model import Language
    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.counts import CountsCompared
    from tare.results.record import Manifest, Trial
    from tare.results.tables.frame import RunFrame


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report that was written: where its page is, and its summary."""

    index: Path
    summary: str
    """Summary, as the stream that it was made for can show it."""


def report_input(run_dir: Path) -> ReportInput:
    """Load a run and compare its runners with the base, or those of an imported run without one with the first."""
    run = load_run(run_dir)
    trials = tuple(run.trials())
    frame = read_frame(run)
    series = good_series(frame)
    base = _base(run.manifest.mode, trials)
    comparisons = compare_within(frame, base=base, series=series) or _versions(run.manifest, frame)
    return ReportInput(
        run.manifest,
        trials,
        tuple(withdraw_chance(comparisons)),
        tuple(run.problems),
        _files(run_dir),
        calibration=known_calibration(run.manifest),
        rung_costs=tuple(rung_costs(frame, series=series)),
        counts=_counts(run_dir, run.manifest),
        styles=runner_styles(),
    )


def _versions(manifest: Manifest, frame: RunFrame) -> list[Comparison]:
    """Compare the versions of a command, where these are all that can be compared."""
    asked = request_of(manifest)
    if asked is None or len(asked.versions) != 2:
        return []
    base, head = (version.name for version in asked.versions)
    return compare_versions(frame, base=base, head=head)


def _counts(run_dir: Path, manifest: Manifest) -> CountsCompared | None:
    """Compare the instructions of two versions; ``None`` if they were not counted."""
    asked = request_of(manifest)
    names = [version.name for version in asked.versions] if asked else []
    counts = {one.version: one for one in read_counts(run_dir)}
    if len(names) != 2 or not counts.keys() >= set(names):
        return None
    return compare_counts(*(counts[name] for name in names))


def _base(mode: str, trials: tuple[Trial, ...]) -> str:
    """Name the runner that the others are compared with."""
    found = dict.fromkeys(trial.runner for trial in trials if trial.outcome == "ok" and not trial.control)
    if BASE in found:
        return BASE
    variant = next((runner for runner in found if runner.endswith(BASE_VARIANT)), BASE)
    return next(iter(found), BASE) if mode == "imported" else variant


def no_answer(_summary: str) -> None:
    """Tell nobody the summary before the report is written."""


@no_collection()
def report_run(
    run_dir: Path,
    reports_dir: Path,
    *,
    language: Language = "en",
    stream: TextIO | None = None,
    answer: Callable[[str], None] = no_answer,
) -> WrittenReport:
    """Write ``<reports_dir>/<run-id>/``, and make a summary for ``stream``; plain lines without one.

    ``answer`` is given the summary as soon as it is known: drawing the figures takes longer than all else.

    Raises:
        NotWritten: the folder is full or not writable; the run itself is untouched.
    """
    given = report_input(run_dir)
    derived = summarised(given)
    summary = terminal.render(derived, stream=stream, language=language)
    answer(summary)
    from tare.bench.analysis.pages import write_index  # noqa: PLC0415 - the answer does without
    from tare.reports.build import build_report  # noqa: PLC0415 - as above

    keep_verdicts(run_dir, count_verdicts(given.comparisons))
    folder = reports_dir / given.manifest.run
    try:
        paths = build_report(derived, folder, language=language)
        write_index(run_dir.parent, reports_dir, language)
    except OSError as error:
        raise NotWritten(say(
            "report.not_written", "cannot write the report {folder}: {strerror}. The results are complete in {run_dir}; `tare report "
            "{run} --reports-dir DIR` writes the report elsewhere.",
            folder=folder, strerror=error.strerror or error, run_dir=run_dir, run=given.manifest.run,
        )) from error  # fmt: skip
    return WrittenReport(paths.index, summary)


def _files(run_dir: Path) -> dict[str, Path]:
    """List the files that the page links: title → path."""
    wanted = ("manifest.json", "trials.jsonl", "pytest-benchmark.json")
    found = {name: run_dir / name for name in wanted if (run_dir / name).exists()}
    return found | {path.name: path for path in sorted((run_dir / PROFILES).glob("*.*"))}
