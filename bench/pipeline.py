"""The suite's table of contents: plan → provision → launch → collect → store → compare and report.

:func:`execute` is what ``tare run`` and the pytest front both call.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.campaign.profiling import PROFILES, profile
from tare.bench.campaign.provision import provide
from tare.bench.campaign.run import measure
from tare.bench.campaign.session import opened
from tare.bench.errors import Exit
from tare.bench.planning.from_request import need_something, plan
from tare.bench.planning.resume import resumed
from tare.results.storage.load import load_run

if TYPE_CHECKING:
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.results.record import Trial


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a run."""

    run_dir: Path
    trials: tuple[Trial, ...]
    report: Path | None
    summary: str
    """For a terminal; empty without a report."""
    interrupted: bool = False

    @property
    def exit_code(self) -> Exit:
        """130 interrupted, 4 if any trial is not ok (skips do not count), else 0."""
        if self.interrupted:
            return Exit.INTERRUPTED
        bad = any(trial.outcome not in {"ok", "skipped"} for trial in self.trials)
        return Exit.SOME_FAILED if bad else Exit.OK

    def as_json(self) -> dict[str, object]:
        """What a machine would want to know."""
        counts: dict[str, int] = {}
        for trial in self.trials:
            counts[trial.outcome] = counts.get(trial.outcome, 0) + 1
        return {
            "run": self.run_dir.name,
            "results": str(self.run_dir),
            "report": str(self.report) if self.report else None,
            "outcomes": counts,
            "interrupted": self.interrupted,
        }

    def closing_lines(self) -> list[str]:
        """The last lines that a person sees; the very last one is the report's path."""
        last = self.report or self.run_dir
        return [*self.summary.splitlines(), f"raw data: {self.run_dir / 'trials.jsonl'}", str(last)]


def execute(request: Request, progress: Progress) -> Finished:
    """The main job, from plan to report."""
    before = None
    if request.resume:
        request, before = resumed(request)
    limits = request.limits()
    with opened(request, progress, run_id=request.resume) as bench:
        draft = plan(request, bench)
        need_something(request, draft)
        supplied = provide(request, bench, draft, limits, progress)
        final = before or plan(request, supplied.bench, supplied.missing)
        need_something(request, final)
        run_dir, interrupted = measure(
            request,
            supplied.bench,
            final,
            supplied.image,
            limits,
            progress,
            supplied.limits,
            supplied.own_images,
        )
        if request.profile and not interrupted:
            profile(supplied.bench, final, supplied.image, limits, run_dir / PROFILES, progress)
    return conclude(request, run_dir, progress, interrupted=interrupted)


def conclude(request: Request, run_dir: Path, progress: Progress, *, interrupted: bool) -> Finished:
    """Step 6, compare and report."""
    trials = tuple(load_run(run_dir).trials())
    if interrupted or not request.report or not any(trial.outcome == "ok" for trial in trials):
        return Finished(run_dir, trials, None, "", interrupted)
    progress.say("writing the report")
    # Imported only now: pandas and matplotlib must not be in memory while something is measured.
    from tare.bench.analysis.report import report_run  # noqa: PLC0415

    wanted = request.settings
    written = report_run(run_dir, Path(wanted["run.reports_dir"]), language=wanted["run.language"])
    return Finished(run_dir, trials, written.index, written.text, interrupted)
