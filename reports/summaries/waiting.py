"""Tell which cases waited for a CPU: run-queue delay beside wall time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tare.reports.summaries.cases import case_of
from tare.reports.summaries.runners import series_name
from tare.results.record import WAIT_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.reports.summaries.cases import CaseKey
    from tare.results.judgement.answers import Answers
    from tare.results.record import Trial


def waited_shares(measured: Iterable[Trial]) -> Mapping[tuple[CaseKey, str], float]:
    """Return (case, runner) → share of the jobs' wall time in which they were ready to run and had no CPU."""
    waited: dict[tuple[CaseKey, str], float] = defaultdict(float)
    lasted: dict[tuple[CaseKey, str], float] = defaultdict(float)
    for trial in measured:
        wait = next((one.value for one in trial.metrics if one.name == WAIT_TIME), None)
        if wait is None or not {"started", "finished"} <= trial.timeline.keys():
            continue
        key = case_of(trial), series_name(trial)
        waited[key] += wait
        lasted[key] += (trial.timeline["finished"] - trial.timeline["started"]) / 1e9
    return {key: min(1.0, seconds / lasted[key]) for key, seconds in waited.items() if lasted[key] > 0}


def explaining(answers: Answers, shares: Mapping[tuple[CaseKey, str], float]) -> float | None:
    """Return the share that a row waited, of the side that waited longer, where that may hide its answer of time.

    It may if time is undecided, and the jobs waited for longer than the difference that matters.
    """
    time = answers.time
    if time.verdict != "undecided":
        return None
    sides = (shares.get((case_of(time), runner), 0.0) for runner in (time.runner, time.base))
    share = max(sides)
    return share if share >= time.threshold else None
