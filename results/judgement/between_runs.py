"""Compare two runs series by series, unpaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from tare.results.errors import ResultError
from tare.results.judgement.fairness import (
    STARTS,
    count_left_out,
    job_lengths_differ,
    reason_to_refuse,
    run_differences,
)
from tare.results.judgement.pairs import (
    Criteria,
    Pair,
    compare_pair,
    context_notes,
    exception_note,
    noise_floors,
    refused,
    trial_notes,
)
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD, Thresholds
from tare.results.said import listed, say
from tare.results.statistics.ratios import INVOCATION_SPREAD, LogRatio, unpaired_log_ratio
from tare.results.statistics.series import Series, SeriesKey, good_series
from tare.results.statistics.symptoms import drift_of
from tare.results.tables.frame import RunFrame, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.comparison import Comparison
    from tare.results.judgement.fairness import Case
    from tare.results.judgement.pairs import FloorKey
    from tare.results.storage.load import Run


class UnlikeRunsError(ResultError):
    """Two runs that must not be put side by side; ``fields`` lists what differs."""

    def __init__(self, text: str, fields: tuple[str, ...]) -> None:
        super().__init__(text)
        self.fields = fields


class MissingSeries(NamedTuple):
    """A series that was judged in the base and has no good value in the head."""

    key: SeriesKey
    primary: bool
    reason: str
    """Why there is no value: how many trials of the head failed, or that there is no such series."""


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Result of comparing two runs: verdicts, and the series that only one of them has."""

    comparisons: list[Comparison]
    missing: tuple[MissingSeries, ...]
    """Judged series that only the base has good values for."""
    added: tuple[SeriesKey, ...]
    """Judged series that only the head has good values for."""
    unlike: tuple[str, ...]
    """Context that differs between the runs, as ``field: base → head``; not empty only if it was allowed."""


def compare_runs(
    base_run: Run | RunFrame,
    head_run: Run | RunFrame,
    *,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
    spread: float = INVOCATION_SPREAD,
    allow_unlike: bool = False,
) -> RunsCompared:
    """Compare the same series of two runs, unpaired. The A/A floor is the larger one of the two runs.

    Args:
        base_run: The earlier run or baseline. A quick run is refused as one.
        head_run: The run to judge.
        threshold: Relative difference that matters, or one for each series.
        spread: See :data:`tare.results.statistics.ratios.INVOCATION_SPREAD`.
        allow_unlike: Compare in spite of what differs, and mark each comparison with it.

    Raises:
        UnlikeRunsError: the runs' contexts differ, or the base is a quick run, and this is not allowed.
    """
    base, head = (run if isinstance(run, RunFrame) else read_frame(run) for run in (base_run, head_run))
    criteria = Criteria.make(threshold, spread)
    unlike = run_differences(base, head)
    if unlike and not allow_unlike:
        raise UnlikeRunsError(
            say(
                "compare.unlike_runs",
                "{base} and {head} are not alike: {unlike}. Measure both under the same conditions, or allow the difference.",
                base=_title(base),
                head=_title(head),
                unlike=listed(unlike),
            ),
            unlike,
        )
    unlike_jobs = job_lengths_differ(base, head)
    sides = _Side.make(base, criteria), _Side.make(head, criteria)
    found = []
    for key, subject in sides[1].series.items():
        other = sides[0].series.get(key)
        if other is None or key.control or subject.direction == "none":
            continue
        comparison = _compare(sides, subject, other, unlike, criteria)
        changed = (subject.unit, subject.direction) != (other.unit, other.direction)
        why_not = reason_to_refuse(subject, other)
        if why_not and (changed or not allow_unlike):
            comparison = refused(comparison, why_not)
        elif unlike_jobs and not subject.primary and subject.family != STARTS:
            # Of the user's own commands, too, if the suite's workloads are beside them: that is rare, and harmless.
            comparison = refused(comparison, unlike_jobs)
        found.append(comparison)
    before, after = (side.judged() for side in sides)
    missing = tuple(_missing(sides, key) for key in sorted(before - after))
    return RunsCompared(found, missing, tuple(sorted(after - before)), unlike)


def _missing(sides: tuple[_Side, _Side], key: SeriesKey) -> MissingSeries:
    left = trial_notes(sides[1].counts, key, "head")
    reason = listed(left) or say("pair.no_series", "the head has no such series")
    return MissingSeries(key, sides[0].series[key].primary, reason)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two runs."""

    frame: RunFrame
    series: Mapping[SeriesKey, Series]
    floors: Mapping[FloorKey, LogRatio]
    counts: Mapping[Case, dict[str, int]]

    @classmethod
    def make(cls, frame: RunFrame, criteria: Criteria) -> Self:
        series = good_series(frame)
        return cls(frame, series, noise_floors(series, criteria), count_left_out(frame))

    def drift(self, key: SeriesKey) -> float:
        """Return the largest drift of this workload and metric under any runner: the machine that drifts is the same."""
        return max((drift_of(one) for other, one in self.series.items() if other[:3] == key[:3]), default=0.0)

    def judged(self) -> set[SeriesKey]:
        return {key for key, one in self.series.items() if one.direction != "none" and not key.control}


def _compare(
    sides: tuple[_Side, _Side], subject: Series, other: Series, unlike: tuple[str, ...], criteria: Criteria
) -> Comparison:
    """Compare one series of the head with that of the base."""
    key, manifest = subject.key, sides[0].frame.manifest
    threshold, reason = criteria.thresholds.for_series(key.workload, key.runner, key.metric)
    notes = (
        *(say("pair.unlike", "the runs differ in {text}", text=text) for text in unlike),
        *context_notes(subject, other),
        *exception_note(reason),
        *trial_notes(sides[0].counts, key, "base"),
        *trial_notes(sides[1].counts, key, "head"),
    )
    pair = Pair(
        subject,
        other,
        label=f"{manifest.name or manifest.run}:{key.runner}",
        cost=unpaired_log_ratio(subject, other, criteria.confidence, spread=criteria.spread),
        floor=_largest_floor((side.floors for side in sides), key),
        # A level that changes over the time of one run may differ as much between two runs, under every runner.
        drift=max(side.drift(key) for side in sides),
    )
    return compare_pair(pair, threshold, criteria.confidence, notes)


def _largest_floor(floors: Iterable[Mapping[FloorKey, LogRatio]], key: SeriesKey) -> LogRatio | None:
    """Return the largest A/A ratio of this workload and metric in either run, whichever runner it was."""
    fitting = [ratio for run in floors for name, ratio in run.items() if name[:3] == key[:3]]
    return max(fitting, key=lambda ratio: abs(ratio.interval.value), default=None)


def _title(frame: RunFrame) -> str:
    return f"run {frame.manifest.run}" + (f" ({frame.manifest.name})" if frame.manifest.name else "")
