"""Compare two series: form the ratio's estimates, verdict, notes and p-values of one :class:`Comparison`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from tare.results.judgement.comparison import CONFIDENCE, Comparison
from tare.results.judgement.fairness import NONE, changed, left_out_notes, unfair_differences
from tare.results.judgement.price import blocks_needed
from tare.results.judgement.rule import judge
from tare.results.judgement.thresholds import Thresholds
from tare.results.record import CONTROL_SUFFIX
from tare.results.said import say
from tare.results.statistics.estimates import FEW_UNITS, Estimate
from tare.results.statistics.exponents import exp
from tare.results.statistics.phrases import count, magnitude, times
from tare.results.statistics.ratios import INVOCATION_SPREAD, LogRatio, paired_log_ratio
from tare.results.statistics.series import Series, SeriesKey, median_of
from tare.results.statistics.symptoms import symptoms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.results.judgement.fairness import Case

FloorKey = tuple[str, str, str, str]
"""Workload, parameters, metric and runner: a :class:`SeriesKey` without ``control``."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Thresholds and assumptions that all comparisons of one call share."""

    thresholds: Thresholds
    """Relative differences that matter, by series."""
    confidence: float
    """Confidence level of all intervals."""
    spread: float
    """Relative standard deviation between invocations; see :data:`tare.results.statistics.ratios.INVOCATION_SPREAD`."""

    @classmethod
    def make(cls, threshold: float | Thresholds, spread: float = INVOCATION_SPREAD) -> Self:
        """Accept one threshold for all series as well as a table of them."""
        table = threshold if isinstance(threshold, Thresholds) else Thresholds(threshold)
        return cls(table, CONFIDENCE, spread)


@dataclass(frozen=True, slots=True)
class Pair:
    """A subject and the base it is compared with."""

    subject: Series
    base: Series
    label: str
    """Name of the base in output: a runner, ``<workload>:<runner>`` or ``<run>:<runner>``."""
    cost: LogRatio | None
    """Cost of the subject against the base; ``None`` if no ratio could be formed."""
    floor: LogRatio | None
    """A/A ratio of the base; ``None`` if the base was not measured twice."""
    drift: float = 0.0
    """Change of level within either run, as the absolute value of a log ratio; 0 within one run, where pairing cancels
    it."""


def compare_pair(pair: Pair, threshold: float, confidence: float, notes: tuple[str, ...]) -> Comparison:
    """Judge a pair and describe it.

    Args:
        pair: What to compare.
        threshold: Relative difference that matters for this series: 0.02 is 2 %.
        confidence: Confidence level of the medians' intervals, and the level recorded for all of them.
        notes: Fairness notes; the texts of symptoms are added behind them.
    """
    subject, cost = pair.subject, pair.cost
    judged = judge(cost, pair.floor, threshold, pair.drift)
    odd = symptoms(subject, pair.base, cost, threshold) if subject.primary else ()
    p = _p_values(cost, math.log1p(threshold))
    blocks = min(subject.blocks, pair.base.blocks)
    needed = None
    if judged.verdict == "undecided":
        needed = blocks_needed(cost, pair.floor, threshold, pair.drift, blocks)
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
        base=pair.label,
        subject_value=median_of(subject, confidence).mapped(float, confidence),
        base_value=median_of(pair.base, confidence).mapped(float, confidence),
        base_unit="" if pair.base.unit == subject.unit else pair.base.unit,
        cost=_cost_estimate(cost, confidence),
        floor=None if pair.floor is None else _cost_estimate(pair.floor, confidence),
        threshold=threshold,
        verdict=judged.verdict,
        because=judged.because,
        notes=(*notes, *(symptom.text for symptom in odd)),
        symptoms=odd,
        p_worse=p.worse,
        p_better=p.better,
        fine_p_worse=p.fine_worse,
        fine_p_better=p.fine_better,
        blocks=blocks,
        needed_blocks=needed,
    )


class _PValues(NamedTuple):
    """One-sided p-values; the fields of the same names in :class:`Comparison` explain them."""

    worse: float
    better: float
    fine_worse: float
    fine_better: float


def _p_values(cost: LogRatio | None, limit: float) -> _PValues:
    if cost is None:
        return _PValues(1.0, 1.0, 1.0, 1.0)
    worse, better = (cost.p_beyond(limit, sign=sign) for sign in (1, -1))
    if min(map(len, cost.units)) >= FEW_UNITS:
        return _PValues(worse, better, worse, better)
    return _PValues(worse, better, *(cost.p_beyond(limit, sign=sign, fine=True) for sign in (1, -1)))


def _cost_estimate(ratio: LogRatio | None, confidence: float) -> Estimate:
    if ratio is None:
        return Estimate(value=math.nan, low=None, high=None, confidence=confidence, n=0, method="no ratio")
    found = ratio.interval.mapped(exp, confidence)
    return msgspec.structs.replace(
        found, method=say("method.by_unit", "{method}, by {word}", method=found.method, word=ratio.unit)
    )


def refused(comparison: Comparison, why: str) -> Comparison:
    """Withdraw verdict and cost of a comparison whose sides are unlike; ``why`` completes "Not compared: …"."""
    return msgspec.structs.replace(
        comparison,
        cost=_cost_estimate(None, comparison.cost.confidence),
        verdict="undecided",
        because=say("pair.refused", "Not compared: {why}.", why=why),
        refused=True,
        p_worse=1.0,
        p_better=1.0,
        fine_p_worse=1.0,
        fine_p_better=1.0,
        needed_blocks=None,
    )


def context_notes(subject: Series, base: Series) -> tuple[str, ...]:
    """List what differs in how two series were measured, their clocks included."""
    notes = unfair_differences(subject, base)
    if subject.clock != base.clock:
        notes.append(changed("clock", base.clock or NONE, subject.clock or NONE))
    return tuple(notes)


def pairing_notes(cost: LogRatio | None) -> tuple[str, ...]:
    """Describe what the interval had to assume or leave out."""
    notes = []
    if cost is not None and cost.coarse:
        notes.append(
            say(
                "pair.raised", "the interval is no narrower than the clock's steps ({step})",
                step=magnitude(cost.coarseness),
            )
        )  # fmt: skip
    if cost is not None and cost.allowed:
        notes.append(
            say(
                "pair.allowed",
                "opened {times} only: the interval allows for {size} between openings",
                times=times(cost.invocations),
                size=magnitude(cost.allowed),
            )
        )
    if cost is not None and cost.unpaired_blocks:
        blocks = count(cost.unpaired_blocks, "block")
        notes.append(say("pair.unpaired", "{blocks} without a partner left out", blocks=blocks))
    return tuple(notes)


def trial_notes(counts: Mapping[Case, dict[str, int]], key: SeriesKey, side: str = "") -> tuple[str, ...]:
    """Describe the trials of a series that gave no value; ``side`` names the run if there are two."""
    return left_out_notes(counts.get((key.workload, key.parameters, key.runner)), side)


def exception_note(reason: str) -> tuple[str, ...]:
    """Note why a series has a threshold of its own; nothing if it has none."""
    return (say("pair.exception", "threshold by exception: {reason}", reason=reason),) if reason else ()


def noise_floors(series: Mapping[SeriesKey, Series], criteria: Criteria) -> dict[FloorKey, LogRatio]:
    """Return the A/A ratio of each workload, parameters, judged metric and runner that was measured twice."""
    floors: dict[FloorKey, LogRatio] = {}
    for key, control in series.items():
        if not key.control or control.direction == "none":
            continue
        twin = series.get(key._replace(runner=key.runner.removesuffix(CONTROL_SUFFIX), control=False))
        if twin is not None:
            ratio = paired_log_ratio(control, twin, criteria.confidence, spread=criteria.spread)
            if ratio is not None:
                floors[twin.key[:4]] = ratio
    return floors
