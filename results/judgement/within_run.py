"""Compare series of one run, paired by block: runners with the base, versions, variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tare.results.judgement.fairness import count_left_out, durability_doubts
from tare.results.judgement.pairs import (
    Criteria,
    Pair,
    compare_pair,
    context_notes,
    exception_note,
    noise_floors,
    pairing_notes,
    trial_notes,
)
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD, Thresholds
from tare.results.record import BASE
from tare.results.statistics.ratios import INVOCATION_SPREAD, LogRatio, paired_log_ratio
from tare.results.statistics.series import Series, good_series
from tare.results.tables.frame import RunFrame, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.comparison import Comparison
    from tare.results.statistics.series import SeriesKey
    from tare.results.storage.load import Run


def compare_within(
    run: Run | RunFrame,
    *,
    base: str = BASE,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
    spread: float = INVOCATION_SPREAD,
    series: Mapping[SeriesKey, Series] | None = None,
) -> list[Comparison]:
    """Compare every runner of a run with its base, for each workload, parameters and metric.

    Args:
        run: The run, or its tables.
        base: Label of the runner to compare with. Its ``control`` trials give the noise floor.
        threshold: Relative difference that matters, or one for each series.
        spread: See :data:`tare.results.statistics.ratios.INVOCATION_SPREAD`.
        series: Those of the run, where the caller has formed them already.

    Returns:
        Comparisons in stored order. Series that the base lacks, and metrics of direction ``none``, are not
        among them.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    criteria = Criteria.make(threshold, spread)
    if series is None:
        series = good_series(frame)
    floors = noise_floors(series, criteria)
    matches = [
        _Match(subject, series[base_key], base, floors.get((*key[:3], base)))
        for key, subject in series.items()
        if key.runner != base and (base_key := key._replace(runner=base)) in series
    ]
    return _judged(matches, series, frame, criteria)


def compare_versions(
    run: Run | RunFrame,
    *,
    base: str,
    head: str,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
) -> list[Comparison]:
    """Compare two workloads of one run, ``base`` and ``head``, with each other: paired by block, runner by runner.

    Their parameters may differ, as versions do. The floor is the larger A/A ratio of the two. Series that only one of
    them has, and metrics of direction ``none``, are not among the comparisons. See :func:`compare_within` for the
    other arguments.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    criteria = Criteria.make(threshold)
    series = good_series(frame)
    bases = {
        (key.metric, key.runner, key.control): one for key, one in series.items() if key.workload == base
    }
    floors = noise_floors(series, criteria)
    matches = []
    for key, subject in series.items():
        other = bases.get((key.metric, key.runner, key.control))
        if key.workload == head and other is not None:
            fitting = [
                ratio
                for (workload, _, metric, _), ratio in floors.items()
                if metric == key.metric and workload in {base, head}
            ]
            floor = max(fitting, key=lambda ratio: abs(ratio.interval.value), default=None)
            matches.append(_Match(subject, other, f"{base}:{key.runner}", floor))
    return _judged(matches, series, frame, criteria)


def compare_variants(
    run: Run | RunFrame,
    *,
    base: str,
    head: str,
    threshold: float | Thresholds = DEFAULT_THRESHOLD,
) -> list[Comparison]:
    """Compare runners measured in two variants, ``RUNNER@base`` and ``RUNNER@head``: paired by block.

    Their contexts may differ, as variants do; the notes list the differences. The floor is the base's A/A ratio. See
    :func:`compare_within` for the other arguments.
    """
    frame = run if isinstance(run, RunFrame) else read_frame(run)
    criteria = Criteria.make(threshold)
    series = good_series(frame)
    floors = noise_floors(series, criteria)
    matches = []
    for key, subject in series.items():
        plain, sign, variant = key.runner.partition("@")
        other = series.get(key._replace(runner=f"{plain}@{base}"))
        if sign and variant == head and other is not None:
            matches.append(_Match(subject, other, other.key.runner, floors.get(other.key[:4])))
    return _judged(matches, series, frame, criteria)


@dataclass(frozen=True, slots=True)
class _Match:
    """A subject and its base before their ratio is formed; the fields are those of :class:`Pair`."""

    subject: Series
    base: Series
    label: str
    floor: LogRatio | None


def _judged(
    matches: Iterable[_Match], series: Mapping[SeriesKey, Series], frame: RunFrame, criteria: Criteria
) -> list[Comparison]:
    """Judge each match; controls, and metrics of direction ``none``, are left out."""
    counts = count_left_out(frame)
    found = []
    for match in matches:
        subject, base, key = match.subject, match.base, match.subject.key
        if key.control or subject.direction == "none":
            continue
        cost = paired_log_ratio(subject, base, criteria.confidence, spread=criteria.spread)
        threshold, reason = criteria.thresholds.for_series(key.workload, key.runner, key.metric)
        notes = (
            *context_notes(subject, base),
            *pairing_notes(cost),
            *trial_notes(counts, key),
            *exception_note(reason),
        )
        pair = Pair(subject, base, match.label, cost, match.floor)
        comparison = compare_pair(pair, threshold, criteria.confidence, notes)
        doubts = durability_doubts(series, subject, comparison.verdict) if comparison.primary else ()
        found.append(msgspec.structs.replace(comparison, notes=(*comparison.notes, *doubts)))
    return found
