"""From runs to verdicts: pure functions, the rule in :func:`judge`, its reasons in ``docs/method.md``.

References:
    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15(6): equivalence by two one-sided tests.
    Georges, Buytaert, Eeckhout 2007, "Statistically rigorous Java performance evaluation", OOPSLA.
    Kalibera, Jones 2013, "Rigorous benchmarking in reasonable time", ISMM.
    Chen, Revels 2016, "Robust benchmarking in noisy environments", HPEC.
    Laaber, Scheuner, Leitner 2019, "Software microbenchmarking in the cloud", Empir. Softw. Eng. 24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from tare.results.errors import ResultError
from tare.results.judgement.comparison import Comparison, Estimate, Verdict
from tare.results.judgement.fairness import (
    count_notes,
    durability,
    left_out,
    refusal,
    unfairness,
    unlike_fields,
)
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD, Thresholds
from tare.results.record import CONTROL_SUFFIX
from tare.results.statistics.estimates import FEW_UNITS, FEWEST, benjamini_hochberg, holm
from tare.results.statistics.phrases import count, more, share, span, times
from tare.results.statistics.series import (
    INVOCATION_SPREAD,
    LogRatio,
    Series,
    SeriesKey,
    good_series,
    median_of,
    paired_log_ratio,
    unpaired_log_ratio,
)
from tare.results.statistics.symptoms import drift_of, symptoms
from tare.results.tables.frame import RunFrame, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tare.results.judgement.fairness import Case
    from tare.results.storage.load import Run


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the sentence that says why."""

    verdict: Verdict
    because: str


def judge(cost: LogRatio | None, floor: LogRatio | None, threshold: float, drift: float = 0.0) -> Judged:
    """Form the verdict of one comparison.

    With ``M`` the largest of the threshold, the noise floor (the A/A ratio's distance from 1) and, between runs, the
    ``drift`` within one (on the log scale):
    ``worse`` if the whole interval of the cost lies above ``1 + M``, ``better`` if it lies below
    ``1 / (1 + M)``, ``same`` if it lies within the threshold on both sides and the floor does too, else
    ``undecided``. The three regions do not overlap, and each is one or two one-sided tests at
    ``(1 - confidence) / 2``.
    """
    if cost is None:
        return Judged("undecided", "There is no ratio: a value is zero, or no block holds both sides.")
    low, high = cost.interval.low, cost.interval.high
    if low is None or high is None:
        units = count(cost.interval.n, cost.unit)
        return Judged("undecided", f"{FEWEST} {cost.unit}s are needed for an interval; here are {units}.")
    limit = math.log1p(threshold)
    noise = max(0.0 if floor is None else abs(floor.interval.value), drift)
    margin = max(limit, noise)
    within = span(low, high)
    source = "drift within a run" if noise == drift else "noise floor"
    beyond = f"the threshold of {share(limit)}" if noise <= limit else f"the {source} of {share(noise)}"
    if low > margin or high < -margin:
        text = f"It costs {more(cost.interval.value)} ({within}), wholly beyond {beyond}."
        return Judged("worse" if low > margin else "better", text)
    if low > -limit and high < limit:
        if noise <= limit:
            return Judged("same", f"The difference ({within}) lies wholly within {beyond}.")
        text = "A run drifts" if noise == drift else "Two identical measurements of the base differ"
        more_than = f"by {share(noise)}, more than the threshold of {share(limit)}"
        return Judged("undecided", f"{text} {more_than}: this host cannot show equality now.")
    return Judged("undecided", _why_undecided(cost, within, beyond, (low, high), margin))


def _why_undecided(
    cost: LogRatio, within: str, beyond: str, interval: tuple[float, float], margin: float
) -> str:
    if cost.allowed:
        return (
            f"The difference ({within}) is uncertain because the places were opened {times(cost.invocations)} only; "
            f"{FEWEST} openings or more show what differs between them."
        )
    if -margin <= interval[0] and interval[1] <= margin:
        return f"The difference ({within}) lies within {beyond}, so it may be noise."
    return f"The difference ({within}) reaches across {beyond}: more {cost.unit}s would narrow it."


def compare_within(
    run: Run | RunFrame,
    *,
    base: str = "bare",
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
    confidence: float = 0.95,
    spread: float = INVOCATION_SPREAD,
) -> list[Comparison]:
    """Compare every runner of a run with its base, for each workload, parameters and metric.

    Args:
        run: The run, or its tables.
        base: Label of the runner to compare with. Its ``control`` trials give the noise floor.
        threshold: Relative difference that matters, or one for each series.
        confidence: Of all intervals.
        spread: See :data:`tare.results.statistics.series.INVOCATION_SPREAD`.

    Returns:
        Comparisons in stored order. Series that the base lacks, and metrics of direction ``none``, are not
        among them: :func:`tare.results.judgement.series_summary.summarise` has them.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    series = good_series(frame)
    floors = _floors(series, confidence, spread)
    pairs = [
        _Pair(subject, series[base_key], base, floors.get((*key[:3], base)))
        for key, subject in series.items()
        if key.runner != base and (base_key := key._replace(runner=base)) in series
    ]
    return _compared(pairs, series, frame, threshold, confidence, spread)


def compare_versions(
    run: Run | RunFrame,
    *,
    base: str,
    head: str,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
    confidence: float = 0.95,
    spread: float = INVOCATION_SPREAD,
) -> list[Comparison]:
    """Compare two workloads of one run, ``base`` and ``head``, with each other: paired by block, runner by runner.

    Their parameters may differ, as versions do. The floor is the larger A/A ratio of the two. Series that only one of
    them has, and metrics of direction ``none``, are not among the comparisons.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    series = good_series(frame)
    bases = {
        (key.metric, key.runner, key.control): one for key, one in series.items() if key.workload == base
    }
    floors = _floors(series, confidence, spread)
    pairs = []
    for key, subject in series.items():
        other = bases.get((key.metric, key.runner, key.control))
        if key.workload == head and other is not None:
            fitting = [
                ratio
                for (workload, _, metric, _), ratio in floors.items()
                if metric == key.metric and workload in {base, head}
            ]
            floor = max(fitting, key=lambda ratio: abs(ratio.interval.value), default=None)
            pairs.append(_Pair(subject, other, f"{base}:{key.runner}", floor))
    return _compared(pairs, series, frame, threshold, confidence, spread)


def compare_variants(
    run: Run | RunFrame,
    *,
    base: str,
    head: str,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
    confidence: float = 0.95,
    spread: float = INVOCATION_SPREAD,
) -> list[Comparison]:
    """Compare runners measured in two variants, ``RUNNER@base`` and ``RUNNER@head``: paired by block.

    Their contexts may differ, as variants do; the notes say in what. The floor is the base's A/A ratio.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    series = good_series(frame)
    floors = _floors(series, confidence, spread)
    pairs = []
    for key, subject in series.items():
        plain, sign, variant = key.runner.partition("@")
        other = series.get(key._replace(runner=f"{plain}@{base}"))
        if sign and variant == head and other is not None:
            pairs.append(_Pair(subject, other, other.key.runner, floors.get(other.key[:4])))
    return _compared(pairs, series, frame, threshold, confidence, spread)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What is compared with what."""

    subject: Series
    other: Series
    base: str
    """How the other one is called."""
    floor: LogRatio | None


def _compared(
    pairs: Iterable[_Pair],
    series: Mapping[SeriesKey, Series],
    frame: RunFrame,
    threshold: float | Thresholds,
    confidence: float,
    spread: float,
) -> list[Comparison]:
    """Each pair's comparison; controls, and metrics of direction ``none``, are not judged."""
    thresholds = threshold if isinstance(threshold, Thresholds) else Thresholds(threshold)
    counts = left_out(frame)
    found = []
    for pair in pairs:
        subject, other, key = pair.subject, pair.other, pair.subject.key
        if key.control or subject.direction == "none":
            continue
        cost = paired_log_ratio(subject, other, confidence, spread=spread)
        limit, why = thresholds.of(key.workload, key.runner, key.metric)
        notes = _notes(subject, other, cost, counts, why)
        comparison = _comparison(subject, other, pair.base, cost, pair.floor, limit, confidence, notes)
        doubts = durability(series, subject, comparison.verdict) if comparison.primary else ()
        found.append(msgspec.structs.replace(comparison, notes=(*comparison.notes, *doubts)))
    return found


class UnlikeRunsError(ResultError):
    """Two runs that must not be put side by side; ``fields`` says what differs."""

    def __init__(self, text: str, fields: tuple[str, ...]) -> None:
        super().__init__(text)
        self.fields = fields


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Two runs side by side."""

    comparisons: list[Comparison]
    missing: tuple[SeriesKey, ...]
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
    confidence: float = 0.95,
    spread: float = INVOCATION_SPREAD,
    allow_unlike: bool = False,
) -> RunsCompared:
    """Compare the same series of two runs, unpaired. The A/A floor is the larger one of the two runs.

    Args:
        base_run: The earlier run or baseline. A quick run is refused as one.
        head_run: The run to judge.
        threshold: Relative difference that matters, or one for each series.
        confidence: Of all intervals.
        spread: See :data:`tare.results.statistics.series.INVOCATION_SPREAD`.
        allow_unlike: Compare in spite of what differs, and mark each comparison with it.

    Raises:
        UnlikeRunsError: the runs' contexts differ, or the base is a quick run, and this is not allowed.
    """
    base, head = (run if isinstance(run, RunFrame) else read_frame(run) for run in (base_run, head_run))
    thresholds = threshold if isinstance(threshold, Thresholds) else Thresholds(threshold)
    unlike = unlike_fields(base, head)
    if unlike and not allow_unlike:
        raise UnlikeRunsError(
            f"{_title(base)} and {_title(head)} are not alike: {'; '.join(unlike)}. "
            "Measure both under the same conditions, or say that the difference is meant.",
            unlike,
        )
    sides = good_series(base), good_series(head)
    floors = [_floors(side, confidence, spread) for side in sides]
    counts = left_out(base), left_out(head)
    found = []
    for key, subject in sides[1].items():
        other = sides[0].get(key)
        if other is None or key.control or subject.direction == "none":
            continue
        label = f"{base.manifest.name or base.manifest.run}:{key.runner}"
        limit, why = thresholds.of(key.workload, key.runner, key.metric)
        cost = unpaired_log_ratio(subject, other, confidence, spread=spread)
        floor = _largest(floors, key)
        notes = (*(f"the runs differ in {text}" for text in unlike), *_notes(subject, other, None, {}, why))
        notes += count_notes(counts[0].get((*key[:2], key.runner)), "base")
        notes += count_notes(counts[1].get((*key[:2], key.runner)), "head")
        # What a run shows to change over its own time, two runs may differ by.
        drift = max(drift_of(side) for side in (subject, other))
        comparison = _comparison(subject, other, label, cost, floor, limit, confidence, notes, drift)
        why_not = refusal(subject, other)
        if why_not and (
            not allow_unlike or subject.unit != other.unit or subject.direction != other.direction
        ):
            comparison = _refused(comparison, why_not)
        found.append(comparison)
    judged = [
        {key for key, one in side.items() if one.direction != "none" and not key.control} for side in sides
    ]
    return RunsCompared(
        found, tuple(sorted(judged[0] - judged[1])), tuple(sorted(judged[1] - judged[0])), unlike
    )


def control_false_calls(
    comparisons: Sequence[Comparison], *, method: Literal["holm", "bh"] = "bh", level: float = 0.025
) -> list[Comparison]:
    """Withdraw calls of ``worse`` and ``better`` that a matrix of this size would produce by chance.

    Args:
        comparisons: The whole matrix; refused ones and those without an interval do not count.
        method: ``holm`` bounds the chance of any false call (Holm 1979), ``bh`` the expected share of false
            calls among the calls (Benjamini, Hochberg 1995).
        level: The bound, one-sided.
    """
    counted = [i for i, c in enumerate(comparisons) if not c.refused and c.cost.low is not None]
    adjust = holm if method == "holm" else benjamini_hochberg
    result = list(comparisons)
    for verdict in ("worse", "better"):
        ps = [getattr(comparisons[i], f"fine_p_{verdict}") for i in counted]
        for i, p in zip(counted, adjust(ps), strict=True):
            if comparisons[i].verdict == verdict and p > level:
                result[i] = msgspec.structs.replace(
                    comparisons[i],
                    verdict="undecided",
                    because=f"Taken alone it would be {verdict}, but among {len(counted)} comparisons such a "
                    f"difference is expected by chance (adjusted p = {p:.3f}).",
                )
    return result


def _comparison(
    subject: Series,
    other: Series,
    base: str,
    cost: LogRatio | None,
    floor: LogRatio | None,
    threshold: float,
    confidence: float,
    notes: tuple[str, ...],
    drift: float = 0.0,
) -> Comparison:
    judged = judge(cost, floor, threshold, drift)
    limit = math.log1p(threshold)
    worse, better = (1.0 if cost is None else cost.p_beyond(limit, sign=sign) for sign in (1, -1))
    few = cost is not None and min(map(len, cost.units)) < FEW_UNITS
    fine_worse, fine_better = (
        (cost.p_beyond(limit, sign=sign, fine=True) for sign in (1, -1)) if cost and few else (worse, better)
    )
    odd = symptoms(subject, other, cost, threshold) if subject.primary else ()
    return Comparison(
        workload=subject.key.workload,
        family=subject.family,
        parameters=msgspec.json.decode(subject.key.parameters),
        metric=subject.key.metric,
        unit=subject.unit,
        direction=subject.direction,
        clock=subject.clock,
        primary=subject.primary,
        runner=subject.key.runner,
        accelerator=subject.accelerator,
        base=base,
        subject_value=median_of(subject, confidence).mapped(float, confidence),
        base_value=median_of(other, confidence).mapped(float, confidence),
        cost=_estimate(cost, confidence),
        floor=None if floor is None else _estimate(floor, confidence),
        threshold=threshold,
        verdict=judged.verdict,
        because=judged.because,
        notes=(*notes, *(symptom.text for symptom in odd)),
        symptoms=odd,
        p_worse=worse,
        p_better=better,
        fine_p_worse=fine_worse,
        fine_p_better=fine_better,
    )


def _estimate(ratio: LogRatio | None, confidence: float) -> Estimate:
    if ratio is None:
        return Estimate(value=math.nan, low=None, high=None, confidence=confidence, n=0, method="no ratio")
    found = ratio.interval.mapped(math.exp, confidence)
    return msgspec.structs.replace(found, method=f"{found.method}, by {ratio.unit}")


def _refused(comparison: Comparison, why: str) -> Comparison:
    return msgspec.structs.replace(
        comparison,
        verdict="undecided",
        because=f"Not compared: {why}.",
        refused=True,
        p_worse=1.0,
        p_better=1.0,
        fine_p_worse=1.0,
        fine_p_better=1.0,
    )


def _notes(
    subject: Series,
    other: Series,
    cost: LogRatio | None,
    counts: Mapping[Case, dict[str, int]],
    why: str,
) -> tuple[str, ...]:
    notes = unfairness(subject, other)
    if subject.clock != other.clock:
        notes.append(f"clock: {other.clock or 'none'} → {subject.clock or 'none'}")
    if cost is not None and cost.allowed:
        notes.append(
            f"opened {times(cost.invocations)} only: the interval allows for {share(cost.allowed)} between openings"
        )
    if cost is not None and cost.unpaired_blocks:
        notes.append(f"{count(cost.unpaired_blocks, 'block')} without a partner left out")
    notes += count_notes(counts.get((subject.key.workload, subject.key.parameters, subject.key.runner)), "")
    if why:
        notes.append(f"threshold by exception: {why}")
    return tuple(notes)


def _floors(
    series: Mapping[SeriesKey, Series], confidence: float, spread: float
) -> dict[tuple[str, str, str, str], LogRatio]:
    """The A/A ratio of each workload, parameters, metric and runner that was measured twice."""
    floors = {}
    for key, control in series.items():
        if not key.control:
            continue
        twin = series.get(key._replace(runner=key.runner.removesuffix(CONTROL_SUFFIX), control=False))
        if twin is not None:
            ratio = paired_log_ratio(control, twin, confidence, spread=spread)
            if ratio is not None:
                floors[twin.key[:4]] = ratio
    return floors


def _largest(
    floors: Iterable[Mapping[tuple[str, str, str, str], LogRatio]], key: SeriesKey
) -> LogRatio | None:
    """The largest A/A ratio of this workload and metric in any of the runs, whichever runner it was."""
    fitting = [ratio for run in floors for name, ratio in run.items() if name[:3] == key[:3]]
    return max(fitting, key=lambda ratio: abs(ratio.interval.value), default=None)


def _title(frame: RunFrame) -> str:
    return f"run {frame.manifest.run}" + (f" ({frame.manifest.name})" if frame.manifest.name else "")
