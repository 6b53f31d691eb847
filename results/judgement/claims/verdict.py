"""Apply every claim's rule to a run, and say what this run cannot tell, why, and which command would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tare.results.judgement.claims import images, inside, neighbours, overhead, starts
from tare.results.judgement.claims.declared import (
    CLAIMS,
    Kept,
    Kernels,
    Larger,
    Loss,
    Many,
    NoLoss,
    OnlyNeeded,
    Quick,
    Reuse,
    Runs,
    SameFacts,
    Shapes,
    Untouched,
)
from tare.results.judgement.claims.evidence import needed
from tare.results.judgement.claims.model import ClaimVerdict, Code, Judged, Reason
from tare.results.said import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.results.judgement.claims.declared import Claim, PlaceKind
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.record import Trial

_RUNNERS: dict[PlaceKind, str] = {"host": "bare", "container": "namespaces", "guest": "qemu-microvm"}
"""Kind of places → the runner that a command asks for."""
_ABSENT: dict[PlaceKind, Code] = {"host": "no_host", "container": "no_container", "guest": "no_guest"}
_JUDGES: dict[type[Any], Callable[[Any, Claim, Evidence], Judged]] = {
    Loss: overhead.judge_loss,
    NoLoss: overhead.judge_no_loss,
    Shapes: overhead.judge_shapes,
    Kept: neighbours.judge_kept,
    Larger: images.judge_larger,
    OnlyNeeded: images.judge_only_needed,
    Runs: images.judge_runs,
    Reuse: images.judge_reuse,
    Kernels: inside.judge_kernels,
    Untouched: inside.judge_untouched,
    SameFacts: inside.judge_same_facts,
    Quick: starts.judge_quick,
    Many: starts.judge_many,
}
"""Kind of rule → what applies it: a function of the rule, its claim and the evidence."""
_MORE_TIME = "10m"
"""Budget with which a run goes on whose claim is undecided."""


def judge_claims(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> tuple[ClaimVerdict, ...]:
    """Judge the claims by a run, in their order."""
    return tuple(_judge_claim(claim, evidence) for claim in claims)


def _judge_claim(claim: Claim, evidence: Evidence) -> ClaimVerdict:
    judged = _JUDGES[type(claim.rule)](claim.rule, claim, evidence)
    counted = any(finding.counted for finding in judged.findings)
    gap = _gap(claim, evidence, counted=counted, findings=judged)
    outcome, reason, command = judged.outcome, judged.reason, ""
    if gap is not None:
        outcome, reason, command = "unmeasured", gap, _command(claim)
    elif outcome in ("undecided", "unmeasured") and evidence.manifest.mode != "imported":
        command = f"tare run --resume {evidence.manifest.run} --budget {_MORE_TIME}"
    return ClaimVerdict(
        claim=claim.id,
        outcome=outcome,
        reason=reason,
        findings=judged.findings,
        command=command,
        section=claim.section,
        rule=claim.rule,
    )


def _gap(claim: Claim, evidence: Evidence, *, counted: bool, findings: Judged) -> Reason | None:
    """Say what is missing for a verdict: a whole kind of places, or everything that would count; ``None`` if nothing is."""
    if evidence.manifest.mode == "imported":
        # Labels of another tool's runs do not tell what kind of place they name.
        return Reason(code="imported")
    for kind in claim.kinds:
        if not _any_values(claim, evidence, kind):
            return _missing(claim, evidence, kind)
    if counted:
        return None
    labels = {finding.label for finding in findings.findings}
    if "kvm_unusable" in labels:
        return Reason(code="kvm_unusable")
    return Reason(code="emulated" if "emulated" in labels else "no_values")


def _any_values(claim: Claim, evidence: Evidence, kind: PlaceKind) -> bool:
    if evidence.trials_of(claim, kind):
        return True
    # A server that never answered is a finding of its rule, not a gap.
    return isinstance(claim.rule, Runs) and any(_tried(one) for one in _of_kind(claim, evidence, kind))


def _tried(trial: Trial) -> bool:
    return trial.outcome != "skipped"


def _of_kind(claim: Claim, evidence: Evidence, kind: PlaceKind) -> list[Trial]:
    return [t for t in evidence.trials if needed(claim, t) and evidence.kind(t.runner, t.accelerator) == kind]


def _missing(claim: Claim, evidence: Evidence, kind: PlaceKind) -> Reason:
    """Say why no place of a kind has values of what a claim needs."""
    theirs = _of_kind(claim, evidence, kind)
    failed = [trial for trial in theirs if trial.outcome not in {"ok", "skipped"}]
    if failed:
        return Reason(
            code="failed", values={"n": len(failed), "runner": failed[0].runner}, recorded=(failed[0].reason,)
        )
    if theirs:
        first = theirs[0]
        recorded = tuple(filter(None, (joined(first.reason, first.remedy),)))
        return Reason(
            code="skipped", values={"workload": first.workload, "runner": first.runner}, recorded=recorded
        )
    if any(needed(claim, trial) for trial in evidence.trials):
        return Reason(code=_ABSENT[kind])
    return Reason(code="not_planned")


def _command(claim: Claim) -> str:
    """Write the command that measures what a claim needs, under every kind of place that it is about."""
    runners = ",".join(dict.fromkeys((_RUNNERS["host"], *(_RUNNERS[kind] for kind in claim.kinds))))
    return f"tare run -k {claim.id} --runners {runners}"
