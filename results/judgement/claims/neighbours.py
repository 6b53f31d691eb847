"""Judge whether a guest keeps its performance beside a neighbour that takes all it can get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.judgement.claims.evidence import beyond, by_case, ratio_of, settled, values
from tare.results.judgement.claims.model import Finding, Judged

if TYPE_CHECKING:
    from tare.results.judgement.claims.declared import Claim, Kept
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.judgement.claims.model import Measure


def judge_kept(rule: Kept, claim: Claim, evidence: Evidence) -> Judged:
    """Judge each stressor by the share of its performance that the victim kept; containers stand beside the guests."""
    findings = []
    for (workload, runner), trials in by_case(
        evidence.trials_of(claim, "guest", "container", "host")
    ).items():
        accelerator = trials[0].accelerator
        label = evidence.doubt(accelerator)
        counted = not label and evidence.kind(runner, accelerator) == "guest"
        victims: dict[Measure, str] = {"kept": rule.throughput, "kept_latency": rule.latency}
        for measure, metric in victims.items():
            kept = ratio_of((1.0, slowdown) for slowdown in values(trials, metric))
            if kept is not None:
                findings.append(
                    Finding(
                        workload=workload, runner=runner, measure=measure, effect=kept, unit="share",
                        label=label or ("" if counted else "other"),
                        tells=beyond(kept, rule.least) if counted else "uncounted",
                    )
                )  # fmt: skip
    return settled(findings)
