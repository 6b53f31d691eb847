"""Conclude a run: step 6, compare and report.

Nothing heavy is imported at top level: this module is loaded while something is measured.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tare.bench.campaign.run import Measured, record_undoing
from tare.bench.errors import Exit
from tare.reports.summaries.failures import OUTCOMES, failure_groups, failure_lines
from tare.results.garbage import no_collection
from tare.results.printable import printable
from tare.results.said import joined, say
from tare.results.storage.load import load_run
from tare.runners.registry import LADDER, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.reports.summaries.failures import FailureGroup
    from tare.results.record import Trial


class Finished(msgspec.Struct, frozen=True):
    """A run that is over: its trials and its report."""

    run_dir: Path
    trials: tuple[Trial, ...]
    report: Path | None
    """The report's page; ``None`` if none was asked for, or nothing was measured."""
    summary: str
    """Summary for standard output, with colours if that is a terminal; empty without a report."""
    interrupted: bool = False
    unmeasured: tuple[str, ...] = ()
    """Runners asked for by name under which everything was skipped; empty with ``--skip-missing``."""
    not_undone: tuple[str, ...] = ()
    """See :attr:`tare.results.record.Manifest.not_undone`."""
    answered: bool = False
    """The summary was told before the report was written."""

    @property
    def exit_code(self) -> Exit:
        """Return 130 if the run was interrupted; 4 if a trial, a runner or clean-up failed; else 0."""
        if self.interrupted:
            return Exit.INTERRUPTED
        bad = any(trial.outcome in OUTCOMES for trial in self.trials)
        return Exit.SOME_FAILED if bad or self.unmeasured or self.not_undone else Exit.OK

    @property
    def failures(self) -> tuple[FailureGroup, ...]:
        """Trials that gave no number, grouped by what went wrong."""
        return failure_groups(self.trials)

    def as_json(self) -> dict[str, object]:
        """Return paths and the number of trials by outcome, in JSON's types."""
        return {
            "run": self.run_dir.name,
            "results": str(self.run_dir),
            "report": str(self.report) if self.report else None,
            "outcomes": dict(Counter(trial.outcome for trial in self.trials)),
            "failures": failures_json(self.failures),
            "interrupted": self.interrupted,
            "unmeasured": list(self.unmeasured),
            "not_undone": list(self.not_undone),
        }

    def closing_lines(self) -> list[str]:
        """Return the last lines for a person; the very last one is the report's path, or the run's folder.

        A summary that was told already is not among them.

        They are clean, and the summary may have colours in it: write them by :func:`tare.bench.console.steer`.
        """
        data = say("terminal.raw_data", "raw data: {path}", path=self.run_dir / "trials.jsonl")
        paths = data, str(self.report or self.run_dir)
        shown = self.summary.splitlines() or [printable(line) for line in failure_lines(self.failures)]
        return [*([] if self.answered else shown), *map(printable, paths)]


def failures_json(groups: Iterable[FailureGroup]) -> list[dict[str, object]]:
    """Return groups of trials that gave no number in JSON's types."""
    return [
        {
            "workload": group.case.label,
            "runner": group.runner,
            "outcome": group.outcome,
            "reason": group.reason,
            "last_line": group.last_line,
            "trials": len(group.numbers),
            "of": group.total,
        }
        for group in groups
    ]


def conclude(
    request: Request, measured: Measured, progress: Progress, answer: Callable[[str], None] | None = None
) -> Finished:
    """Compare the runners and write the report (step 6), unless the run was interrupted or no report is wanted.

    ``answer`` is given the summary before the report is written.
    """
    not_undone = record_undoing(measured)
    trials = tuple(load_run(measured.run_dir).trials())
    unmeasured = {} if request.skip_missing else _unmeasured(request.settings.run.runners or (), trials)
    without = Finished(
        measured.run_dir, trials, None, "", measured.interrupted, tuple(unmeasured), not_undone
    )
    for runner, reason in unmeasured.items():
        progress.say(
            say(
                "progress.not_measured",
                "nothing was measured under {runner}: {reason} (--skip-missing takes that for success)",
                runner=runner,
                reason=reason,
            )
        )
    if measured.interrupted or not request.report or not any(trial.outcome == "ok" for trial in trials):
        return without
    progress.say(say("progress.writing_report", "writing the report"))
    # Imported only now: pandas and matplotlib must not be in memory while something is measured.
    with no_collection():
        from tare.bench.analysis.report import no_answer, report_run  # noqa: PLC0415

    wanted = request.settings.output
    written = report_run(
        measured.run_dir,
        wanted.reports_dir,
        language=wanted.language,
        stream=sys.stdout,
        answer=answer or no_answer,
    )
    return replace(without, report=written.index, summary=written.summary, answered=answer is not None)


def _unmeasured(asked: Sequence[str], trials: Sequence[Trial]) -> dict[str, str]:
    """Find the runners asked for by name under which every trial was skipped, each with the first reason."""
    found = {}
    for name in asked:
        if name == LADDER:  # stands for whatever rungs this host offers
            continue
        key = check((name,))[-1]
        own = [trial for trial in trials if re.split("[(@]", trial.runner)[0] == key]
        if all(trial.outcome == "skipped" for trial in own):
            reasons = (joined(trial.reason, trial.remedy) for trial in own)
            found[name] = next(reasons, say("run.no_turn", "the run ended before its turn"))
    return found
