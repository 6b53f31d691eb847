"""Group the trials that gave no number by what went wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tare.reports.summaries.cases import CaseKey, case_of
from tare.reports.summaries.runners import series_name
from tare.results.said import joined, say
from tare.results.statistics.phrases import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.results.record import Outcome, Trial

OUTCOMES: tuple[Outcome, ...] = ("failed", "timeout", "invalid")
"""Outcomes of trials that were started and gave no number."""

_NUMBERS_AT_MOST = 5


class FailureGroup(msgspec.Struct, frozen=True):
    """Trials of one case under one runner that gave no number for the same reason."""

    case: CaseKey
    runner: str
    """Name of the series, as :func:`~tare.reports.summaries.runners.series_name` gives it."""
    outcome: Outcome
    reason: str
    """Why there is no number: the exit status, the signal, …; ends with the remedy where one is known."""
    last_line: str
    """Last line that the first of them wrote to stderr, or to the console; empty if none wrote any."""
    numbers: tuple[int, ...]
    """Numbers of the trials in their run."""
    total: int
    """Trials of that case under that runner which were started, whatever came of them."""


def shown_numbers(groups: Iterable[FailureGroup]) -> str:
    """Write out the first numbers of trials in groups: ``4, 9, 12, …``."""
    numbers = sorted(number for group in groups for number in group.numbers)
    more = ", …" if len(numbers) > _NUMBERS_AT_MOST else ""
    return ", ".join(map(str, numbers[:_NUMBERS_AT_MOST])) + more


def failure_groups(trials: Iterable[Trial]) -> tuple[FailureGroup, ...]:
    """Group what was started and gave no number, in the order of the first of each group."""
    started = [trial for trial in trials if trial.outcome != "skipped"]
    totals = Counter((case_of(trial), series_name(trial)) for trial in started)
    groups: dict[tuple[CaseKey, str, Outcome, str], list[Trial]] = {}
    for trial in started:
        if trial.outcome in OUTCOMES:
            reason = joined(trial.reason, trial.remedy)
            groups.setdefault((case_of(trial), series_name(trial), trial.outcome, reason), []).append(trial)
    return tuple(
        FailureGroup(
            *key,
            next((trial.last_line for trial in members if trial.last_line), ""),
            tuple(trial.number for trial in members),
            totals[key[:2]],
        )
        for key, members in groups.items()
    )


def alike(groups: Iterable[FailureGroup]) -> tuple[tuple[FailureGroup, ...], ...]:
    """Put the groups of one case together that differ by their runner and their numbers alone, so that a text is said once."""
    rows: dict[tuple[object, ...], list[FailureGroup]] = {}
    for group in groups:
        rows.setdefault((group.case, group.outcome, group.reason, group.last_line), []).append(group)
    return tuple(map(tuple, rows.values()))


def failure_lines(groups: Sequence[FailureGroup]) -> list[str]:
    """Write one line for each case and reason, for people who see no report."""
    return [_line(members) for members in alike(groups)]


def _line(members: Sequence[FailureGroup]) -> str:
    first = members[0]
    told = say(
        "terminal.failures", "{case} on {runners}: {n} of {trials} {ended}: {reason}",
        case=first.case.label, runners=", ".join(one.runner for one in members),
        n=sum(len(one.numbers) for one in members), trials=count(sum(one.total for one in members), "trial"),
        ended=_ENDED[first.outcome], reason=first.reason or say("terminal.no_reason", "no reason is known"),
    )  # fmt: skip
    if not first.last_line:
        return told
    return say(
        "terminal.with_last_line", "{failures}; last line: {line}", failures=told, line=first.last_line
    )


_ENDED: dict[Outcome, str] = {
    "failed": say("status.failed", "failed"),
    "timeout": say("terminal.timed_out", "timed out"),
    "invalid": say("terminal.invalid", "invalid"),
}
