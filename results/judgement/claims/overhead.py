"""Judge what running in a place costs: guests against the host, and containers against the host."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from tare.results.judgement.claims.evidence import other_label, settled
from tare.results.judgement.claims.model import Finding, Judged, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.claims.declared import Claim, Loss, NoLoss, Shapes
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.judgement.claims.model import Code, Label, Tells, Values
    from tare.results.judgement.comparison import Comparison

EXITS = "kvm.exits"
"""Metric with the number of a job's exits."""


def judge_loss(rule: Loss, _claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether guests lose performance, and whether their exits explain the order of the losses."""
    findings = []
    for row in _rows(evidence, rule.families):
        accelerator = row.time.accelerator
        if evidence.kind(row.time.runner, accelerator) == "guest":
            tells = _beyond_margin(_decisive(row), rule.margin)
            findings.append(_finding(row, tells, evidence.doubt(accelerator)))
    judged = settled(findings)
    lost = [finding for finding in findings if finding.tells == "for"]
    if not lost:
        return judged
    correlations = _correlations(evidence, [f for f in findings if f.counted], rule.least_workloads)
    shares: Values = {"lost": len(lost), "n": sum(finding.counted for finding in findings)}
    if not correlations:
        reason = Reason(code="exits_uncounted", values=shares)
        return msgspec.structs.replace(judged, outcome="depends", reason=reason)
    least = min(correlations)
    explained = least >= rule.least_correlation
    code: Code = "exits_explain" if explained else "exits_disagree"
    reason = Reason(code=code, values={**shares, "correlation": round(least, 2)})
    return msgspec.structs.replace(judged, outcome="supported" if explained else "depends", reason=reason)


def judge_no_loss(rule: NoLoss, _claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether containers, the rungs of the ladder and engines, cost nothing that matters."""
    findings = []
    for row in _rows(evidence, rule.families):
        kind = evidence.kind(row.time.runner, row.time.accelerator)
        if kind in {"container", "sandbox"}:
            tells = _inside_margin(_decisive(row), rule.margin)
            findings.append(_finding(row, tells, other_label(kind, "container")))
    return settled(findings, least_decided=rule.least_decided)


def judge_shapes(rule: Shapes, _claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether the shapes of one application cost in containers no more than the margin."""
    findings = []
    for row in _rows(evidence, rule.families):
        kind = evidence.kind(row.time.runner, row.time.accelerator)
        tells = _opposite(_beyond_margin(row.time, rule.margin))
        label = evidence.doubt(row.time.accelerator) or other_label(kind, "container")
        findings.append(_finding(row, tells, label))
    return settled(findings)


def _opposite(tells: Tells) -> Tells:
    return {"for": "against", "against": "for"}.get(tells, tells)  # type: ignore[return-value]


def _rows(evidence: Evidence, families: Sequence[str]) -> list[Answers]:
    return [row for row in evidence.answers if row.time.family in families and not row.time.refused]


def _decisive(row: Answers) -> Comparison:
    """Give the answer by time, or that by CPU where only that is decided."""
    return row.cpu if row.by == "cpu" and row.cpu is not None else row.time


def _beyond_margin(one: Comparison, margin: float) -> Tells:
    """Say ``for`` if it costs more than the margin, ``against`` if it does not. The verdict has the noise floor and chance."""
    low, high = one.cost.low, one.cost.high
    if low is None or high is None:
        return "open"
    if one.verdict == "worse" and low > 1 + margin:
        return "for"
    return "against" if one.verdict in {"same", "better"} and high <= 1 + margin else "open"


def _inside_margin(one: Comparison, margin: float) -> Tells:
    """Say ``for`` if the interval lies inside the margin on both sides, ``against`` if it lies outside on either."""
    low, high = one.cost.low, one.cost.high
    if low is None or high is None:
        return "open"
    if one.verdict == "same" and low >= 1 / (1 + margin) and high <= 1 + margin:
        return "for"
    outside = (one.verdict == "worse" and low > 1 + margin) or (
        one.verdict == "better" and high < 1 / (1 + margin)
    )
    return "against" if outside else "open"


def _finding(row: Answers, tells: Tells, label: Label) -> Finding:
    one = _decisive(row)
    return Finding(
        workload=one.workload,
        runner=one.runner,
        parameters=one.parameters,
        measure="time" if one is row.time else "cpu",
        tells="uncounted" if label else tells,
        effect=one.cost,
        label=label,
    )


def _correlations(evidence: Evidence, findings: Sequence[Finding], least_workloads: int) -> list[float]:
    """Give, for each guest runner, the rank correlation between what workloads cost and how often they exit a second."""
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in evidence.measured:
        exits = next((metric.value for metric in trial.metrics if metric.name == EXITS), None)
        line = trial.timeline
        if exits is not None and line.get("finished", 0) > line.get("started", 0) > 0:
            rates[trial.workload, trial.runner].append(exits / (line["finished"] - line["started"]))
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for finding in findings:
        rate = rates.get((finding.workload, finding.runner))
        if rate and finding.effect is not None:
            pairs[finding.runner].append((finding.effect.value, statistics.median(rate)))
    enough = [found for found in pairs.values() if len(found) >= least_workloads]
    return [_rank_correlation(found) for found in enough]


def _rank_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's correlation of pairs; 0 where one side is constant."""
    costs, rates = (_ranks(side) for side in zip(*pairs, strict=True))
    if len(set(costs)) == 1 or len(set(rates)) == 1:
        return 0.0
    return statistics.correlation(costs, rates)


def _ranks(values: Sequence[float]) -> list[float]:
    """Give each value's rank; equal values share the mean of theirs."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]
