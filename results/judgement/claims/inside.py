"""Judge what places are from inside, by the trials of ``isolation``: kernels, attempts to reach the host, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tare.results.details import IsolationDetails
from tare.results.judgement.claims.evidence import other_label, own_name, settled
from tare.results.judgement.claims.model import Finding, Judged, Reason
from tare.results.record import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.results.judgement.claims.declared import Claim, Kernels, PlaceKind, SameFacts, Untouched
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.judgement.claims.model import Label

_LADDER, _PRIVILEGED = "namespaces", "privileged"


def judge_kernels(_rule: Kernels, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether containers share the host's kernel and guests do not. Emulation does not change that."""
    findings = []
    for runner, kind, seen in _seen(claim, evidence):
        if kind != "host":
            right = seen.same_kernel is (kind == "container")
            label = other_label(kind, "container") if kind == "sandbox" else ""
            findings.append(
                Finding(
                    workload="isolation", runner=runner, label=label,
                    measure="shared_kernel" if seen.same_kernel else "own_kernel",
                    tells="uncounted" if label else "for" if right else "against",
                )
            )  # fmt: skip
    return settled(findings)


def judge_untouched(rule: Untouched, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether an attempt to change something on the host succeeds in a whole container without extra privileges."""
    findings = []
    for runner, kind, seen in _seen(claim, evidence):
        if kind == "host":
            continue
        opened = tuple(attempt.name for attempt in seen.attempts if attempt.verdict == "open")
        label = other_label(kind, "container") or _unlike(runner)
        changing = [name for name in opened if name not in rule.only_seeing]
        findings.append(
            Finding(
                workload="isolation", runner=runner, measure="open_attempts", label=label, names=opened,
                tells="uncounted" if label else "against" if changing else "for",
            )
        )  # fmt: skip
    return settled(findings)


def judge_same_facts(rule: SameFacts, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether containers show their jobs the facts that the host does; list those that differ."""
    places = list(_seen(claim, evidence))
    base = next((seen.fingerprint for runner, _, seen in places if runner == BASE), None)
    if base is None:
        return settled(())
    findings = []
    for runner, kind, seen in places:
        if kind != "host":
            label = other_label(kind, "container") or _unlike(runner)
            differ = _differing(rule, base, seen.fingerprint)
            findings.append(
                Finding(
                    workload="isolation", runner=runner, measure="differing_facts", label=label, names=differ,
                    tells="uncounted" if label else "against" if differ else "for",
                )
            )  # fmt: skip
    judged = settled(findings)
    names = {name for finding in findings if finding.counted for name in finding.names}
    if not names or any(name.startswith(rule.of_image) for name in names):
        return judged
    reason = Reason(code="facts_differ", values={"n": len(names)})
    return msgspec.structs.replace(judged, outcome="depends", reason=reason)


def _differing(
    rule: SameFacts, base: Mapping[str, str | int], facts: Mapping[str, str | int]
) -> tuple[str, ...]:
    names = sorted(base.keys() | facts.keys())
    return tuple(
        name for name in names if not name.startswith(rule.of_place) and base.get(name) != facts.get(name)
    )


def _seen(claim: Claim, evidence: Evidence) -> Iterator[tuple[str, PlaceKind, IsolationDetails]]:
    """Give what the last trial of each runner found, with the kind of its places."""
    trials = evidence.trials_of(claim, "host", "container", "sandbox", "guest")
    last = {trial.runner: trial for trial in trials if isinstance(trial.details, IsolationDetails)}
    for runner, trial in last.items():
        if isinstance(trial.details, IsolationDetails):
            yield runner, evidence.kind(runner, trial.accelerator), trial.details


def _unlike(runner: str) -> Label:
    """Say why a container is not one as the note means it: an unfinished one, or one with extra privileges."""
    variant = runner.partition(":")[2]
    if variant == _PRIVILEGED:
        return "privileged"
    return "rung" if variant and own_name(runner) == _LADDER else ""
