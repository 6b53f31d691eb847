"""Judge how soon containers are there, and how many at once."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from tare.results.details import DensityDetails, StartsDetails
from tare.results.judgement.claims.evidence import (
    beyond,
    by_case,
    exact,
    middle,
    other_label,
    ratio_of,
    settled,
    values,
)
from tare.results.judgement.claims.model import Finding, Judged
from tare.results.record import LAUNCH_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.results.judgement.claims.declared import Claim, Many, Quick
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.judgement.claims.model import Measure
    from tare.results.record import Trial

_FOR_P99 = 100
"""Starts from which on the 99th percentile is another one than the slowest."""
_FIRST_ANSWER = ("deploy.layers-empty.start", "deploy.layers-cached.start")


def judge_quick(rule: Quick, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether the slowest starts of containers stay within the limit, and whether guests take longer."""
    findings: list[Finding] = []
    cases = by_case(evidence.trials_of(claim, "container", "guest"))
    for (workload, runner), trials in cases.items():
        kind = evidence.kind(runner, trials[0].accelerator)
        label = evidence.doubt(trials[0].accelerator) or other_label(kind, "container")
        for measure, seconds in _durations(trials):
            found, end = _upper(seconds)
            quick = end <= rule.most_seconds
            findings.append(
                Finding(
                    workload=workload, runner=runner, measure=measure, label=label, unit="s",
                    effect=exact(end, len(seconds), found),
                    tells="uncounted" if label else "for" if quick else "against",
                )
            )  # fmt: skip
    findings += _lighter(rule, evidence, cases)
    return settled(findings)


def _durations(trials: Sequence[Trial]) -> Iterator[tuple[Measure, list[float]]]:
    """Give the durations that a case has: to the first instruction, to the end, to the first answer, of starts at once."""
    at_once = [
        start.ready_ns / 1e9 - start.asked_ns / 1e9
        for trial in trials
        if isinstance(trial.details, StartsDetails)
        for burst in trial.details.bursts
        for start in burst
    ]
    answers = [value for name in _FIRST_ANSWER for value in values(trials, name)]
    found: dict[Measure, list[float]] = {
        "first_instruction": values(trials, "launch.start"),
        "gone": values(trials, LAUNCH_TIME),
        "first_answer": answers,
        "at_once": at_once,
    }
    yield from ((name, seconds) for name, seconds in found.items() if seconds)


def _upper(seconds: Sequence[float]) -> tuple[str, float]:
    """Give the upper end that so many durations support, and its name."""
    ordered = sorted(seconds)
    if len(ordered) < _FOR_P99:
        return "slowest", ordered[-1]
    return "p99", ordered[math.ceil(0.99 * len(ordered)) - 1]


def _lighter(rule: Quick, evidence: Evidence, cases: dict[tuple[str, str], list[Trial]]) -> Iterator[Finding]:
    """Compare the cold starts of guests with those of containers, block by block."""
    cold = {key: _block_medians(trials, LAUNCH_TIME) for key, trials in cases.items()}
    for (workload, guest), theirs in cold.items():
        accelerator = cases[workload, guest][0].accelerator
        if evidence.kind(guest, accelerator) != "guest" or not theirs:
            continue
        for (other, container), own in cold.items():
            if (
                other != workload
                or evidence.kind(container, cases[other, container][0].accelerator) != "container"
            ):
                continue
            effect = ratio_of((theirs[block], own[block]) for block in sorted(theirs.keys() & own.keys()))
            if effect is not None:
                label = evidence.doubt(accelerator)
                tells = beyond(effect, 1 + rule.margin)
                yield Finding(
                    workload=workload, runner=f"{guest} / {container}", measure="start_ratio", effect=effect,
                    label=label, tells="uncounted" if label else tells,
                )  # fmt: skip


def _block_medians(trials: Sequence[Trial], metric: str) -> dict[int, float]:
    by_block: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_block[trial.block].append(trial)
    found = {block: values(each, metric) for block, each in by_block.items()}
    return {block: statistics.median(seconds) for block, seconds in found.items() if seconds}


def judge_many(rule: Many, claim: Claim, evidence: Evidence) -> Judged:
    """Judge how many idle containers were open at once, and how much slower the last ones started."""
    findings = []
    for (workload, runner), trials in by_case(evidence.trials_of(claim, "container", "guest")).items():
        ramps = [trial.details for trial in trials if isinstance(trial.details, DensityDetails)]
        if not ramps:
            continue
        kind = evidence.kind(runner, trials[0].accelerator)
        label = evidence.doubt(trials[0].accelerator) or other_label(kind, "container")
        most = max((ramp.memory[-1].places for ramp in ramps if ramp.memory), default=0)
        # A ramp that its own limits ended early shows no more than it has opened.
        enough = most >= rule.least_places
        findings.append(
            Finding(
                workload=workload, runner=runner, measure="places", effect=exact(most, len(trials)), unit="count",
                label=label, tells="uncounted" if label else "for" if enough else "open",
            )
        )  # fmt: skip
        first, last = (middle(trials, f"density.start.{part}_quarter") for part in ("first", "last"))
        if first and last is not None:
            growth = exact(last / first, len(trials))
            slower = beyond(growth, rule.most_growth) == "for"
            findings.append(
                Finding(
                    workload=workload, runner=runner, measure="start_growth", effect=growth, label=label,
                    tells="uncounted" if label else "against" if slower else "for",
                )
            )  # fmt: skip
    return settled(findings, least_decided=1.0)
