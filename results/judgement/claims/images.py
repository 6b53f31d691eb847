"""Judge images and their delivery by the trials of ``deploy-PAYLOAD``: sizes, bytes that are read, reuse of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tare.results.judgement.claims.evidence import (
    beyond,
    by_case,
    exact,
    middle,
    needed,
    other_label,
    ratio_of,
    settled,
    values,
)
from tare.results.judgement.claims.model import Finding, Judged, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tare.results.judgement.claims.declared import Claim, Larger, OnlyNeeded, Reuse, Runs
    from tare.results.judgement.claims.evidence import Evidence
    from tare.results.judgement.claims.model import Label, Measure, Values
    from tare.results.record import Trial
    from tare.results.statistics.estimates import Estimate

_CACHED, _EMPTY = "deploy.layers-cached", "deploy.layers-empty"
_QCOW2, _BACKING = "deploy.disk-qcow2", "deploy.disk-backing"

_FORMS: tuple[tuple[Measure, str], ...] = (("image_bytes", "moved"), ("image_compressed", "compressed"))
_WAYS: tuple[tuple[Measure, Measure, str], ...] = (
    ("whole_bytes", "whole_time", _QCOW2),
    ("backing_bytes", "backing_time", _BACKING),
)

Effects = Mapping["Measure", "Estimate | None"]
Trials = list["Trial"]


def judge_larger(rule: Larger, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether a guest's files are larger than a container's. Bytes are the same with and without hardware virtualisation.

    The guest's are kernel, initramfs and root disk as qcow2, which has no holes; the container's are all layers.
    """
    findings = []
    guests = by_case(evidence.trials_of(claim, "guest"))
    for (workload, container), trials in _containers(claim, evidence):
        for (other, guest), theirs in guests.items():
            boot = [middle(theirs, f"deploy.{name}") for name in ("kernel", "initramfs")]
            for measure, size in _FORMS:
                disk, layers = middle(theirs, f"{_QCOW2}.{size}"), middle(trials, f"{_EMPTY}.{size}")
                if other != workload or disk is None or not layers or None in boot:
                    continue
                effect = exact((disk + sum(one or 0.0 for one in boot)) / layers, len(theirs))
                findings.append(
                    Finding(
                        workload=workload, runner=f"{guest} / {container}", measure=measure,
                        tells=beyond(effect, 1 + rule.margin), effect=effect,
                    )
                )  # fmt: skip
    return settled(findings)


def judge_only_needed(rule: OnlyNeeded, claim: Claim, evidence: Evidence) -> Judged:
    """Judge which share of an image is read before the first answer; what is not read then may be read later."""
    findings = []
    for (workload, runner), trials in by_case(evidence.trials_of(claim, "container", "guest")).items():
        share = ratio_of(zip(values(trials, "deploy.read"), values(trials, "deploy.image"), strict=False))
        if share is not None:
            label = other_label(evidence.kind(runner, trials[0].accelerator), "container")
            enough = share.value >= rule.least
            findings.append(
                Finding(
                    workload=workload, runner=runner, measure="read_share", effect=share, unit="share", label=label,
                    tells="uncounted" if label else "for" if enough else "open",
                )
            )  # fmt: skip
    shares = [one.effect.value for one in findings if one.counted and one.effect is not None]
    judged = settled(findings)
    if not shares or min(shares) >= rule.least:
        return judged
    span: Values = {"least": round(min(shares), 4), "most": round(max(shares), 4)}
    return Judged(outcome="depends", reason=Reason(code="read_share", values=span), findings=judged.findings)


def judge_runs(_rule: Runs, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether each server has answered from its image alone; the engine of a container is no part of that."""
    findings = []
    counted = [t for t in evidence.trials if needed(claim, t) and t.outcome != "skipped" and not t.control]
    for (workload, runner), trials in by_case(counted).items():
        if evidence.kind(runner, trials[0].accelerator) == "container":
            good = sum(trial.outcome == "ok" for trial in trials)
            findings.append(
                Finding(
                    workload=workload, runner=runner, measure="answered", effect=exact(good, len(trials)), unit="count",
                    tells="for" if good else "against",
                )
            )  # fmt: skip
    return settled(findings)


def judge_reuse(rule: Reuse, claim: Claim, evidence: Evidence) -> Judged:
    """Judge whether layers that the target has make a new version arrive sooner, and against a guest's disk."""
    findings: list[Finding] = []
    guests = by_case(evidence.trials_of(claim, "guest"))
    for (workload, runner), trials in _containers(claim, evidence):
        own: Effects = {
            "reuse_time": ratio_of(_paired(trials, f"{_EMPTY}.total", f"{_CACHED}.total")),
            "reuse_bytes": _counted(trials, f"{_EMPTY}.moved", trials, f"{_CACHED}.moved"),
        }
        findings += _compared(rule, workload, runner, own, "")
        for (other, guest), theirs in guests.items():
            if other == workload:
                label = evidence.doubt(theirs[0].accelerator)
                sizes, times = _against_disk(trials, theirs)
                both = f"{guest} / {runner}"
                findings += _compared(rule, workload, both, sizes, "")
                findings += _compared(rule, workload, both, times, label)
    return settled(findings)


def _against_disk(trials: Trials, theirs: Trials) -> tuple[Effects, Effects]:
    """Compare bytes and times of a disk, whole and as a difference, with those of the lacking layers."""
    sizes: Effects = {
        size: _counted(theirs, f"{way}.moved", trials, f"{_CACHED}.moved") for size, _, way in _WAYS
    }
    times: Effects = {
        time: ratio_of(_by_block(theirs, f"{way}.total", trials, f"{_CACHED}.total"))
        for _, time, way in _WAYS
    }
    return sizes, times


def _compared(rule: Reuse, workload: str, runner: str, effects: Effects, label: Label) -> Iterator[Finding]:
    for measure, effect in effects.items():
        if effect is not None:
            tells = "uncounted" if label else beyond(effect, 1 + rule.margin)
            yield Finding(
                workload=workload, runner=runner, measure=measure, tells=tells, effect=effect, label=label
            )


def _containers(claim: Claim, evidence: Evidence) -> Iterator[tuple[tuple[str, str], Trials]]:
    yield from by_case(evidence.trials_of(claim, "container")).items()


def _counted(above: Sequence[Trial], top: str, below: Sequence[Trial], bottom: str) -> Estimate | None:
    """Divide one count of bytes by another; ``None`` where one is missing."""
    one, other = middle(above, top), middle(below, bottom)
    return exact(one / other, len(above)) if one is not None and other else None


def _paired(trials: Trials, above: str, below: str) -> list[tuple[float, float]]:
    """Pair two metrics of the same trials."""
    return [
        (one[0], other[0])
        for trial in trials
        if (one := values([trial], above)) and (other := values([trial], below))
    ]


def _by_block(above: Trials, top: str, below: Trials, bottom: str) -> list[tuple[float, float]]:
    """Pair the metrics of two runners by block."""
    return [
        (one[0], other[0])
        for trial in above
        for twin in below
        if trial.block == twin.block and (one := values([trial], top)) and (other := values([twin], bottom))
    ]
