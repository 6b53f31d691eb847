"""Export the timelines in Chrome's trace event format, for chrome://tracing, Perfetto and speedscope.

A runner is a process, a workload a thread, a phase between two marks a slice. Times are in µs since the run's first
mark.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tare.reports.exports.series import case_title, dumped
from tare.results.record import MARKS

if TYPE_CHECKING:
    from tare.reports.model import ReportInput

NAME = "chrome-trace"
SUMMARY = "Chrome trace events of all timelines, for Perfetto"


def render(given: ReportInput) -> bytes:
    """Render the file. A negative phase becomes an instant that says so, since a slice cannot show it."""
    start = min((min(t.timeline.values()) for t in given.trials if t.timeline), default=0)
    runners: dict[str, int] = {}
    threads: dict[tuple[str, str], int] = {}
    events: list[dict[str, Any]] = []
    for trial in given.trials:
        if not trial.timeline:
            continue
        title = case_title(trial.workload, trial.parameters)
        pid = runners.setdefault(trial.runner, len(runners) + 1)
        tid = threads.setdefault((trial.runner, title), len(threads) + 1)
        where = {"pid": pid, "tid": tid, "cat": trial.family or "trial"}
        args = {
            "trial": trial.number,
            "block": trial.block,
            "invocation": trial.invocation,
            "outcome": trial.outcome,
            "warmup": trial.warmup,
            "clock_error_us": trial.clock_error * 1e6,
        }
        for early, late in itertools.pairwise([mark for mark in MARKS if mark in trial.timeline]):
            begin, span = trial.timeline[early] - start, trial.timeline[late] - trial.timeline[early]
            event = {"name": f"{early} → {late}", **where, "ts": begin / 1e3, "args": args}
            if span < 0:
                events.append({**event, "ph": "i", "s": "t", "args": {**args, "negative_us": span / 1e3}})
            else:
                events.append({**event, "ph": "X", "dur": span / 1e3})
    names: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": pid, "args": {"name": runner}}
        for runner, pid in runners.items()
    ]
    names += [
        {"name": "thread_name", "ph": "M", "pid": runners[runner], "tid": tid, "args": {"name": title}}
        for (runner, title), tid in threads.items()
    ]
    about = {"run": given.manifest.run, "mode": given.manifest.mode, "created": given.manifest.created}
    return dumped({"traceEvents": names + events, "displayTimeUnit": "ms", "otherData": about})
