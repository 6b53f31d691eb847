"""Define what judging a claim finds: a verdict, the reason as a code with values, and the measurements that count."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tare.results.judgement.claims.declared import Rule  # noqa: TC001 - msgspec reads annotations at run time
from tare.results.statistics.estimates import Estimate  # noqa: TC001

Outcome = Literal["supported", "refuted", "depends", "undecided", "unmeasured"]
"""``depends``: it holds under some of the conditions that were measured. ``undecided``: measured, but too little of it is
decided. ``unmeasured``: this run cannot tell."""

Tells = Literal["for", "against", "open", "uncounted"]
"""What a finding says of its claim. ``open``: measured and not decided. ``uncounted``: shown beside the others only, as
its label says why."""

Label = Literal["", "emulated", "kvm_unusable", "rung", "privileged", "sandbox", "guest", "other"]
"""Why a finding does not count. ``emulated``: a guest without hardware virtualisation (TCG). ``kvm_unusable``: under a KVM
that this host's measurement found unusable. ``rung``: an unfinished container. ``privileged``: one with extra privileges.
``sandbox``: its kernel runs in user space. ``guest``: the claim is about containers. ``other``: it is about guests."""

Code = Literal[
    "for", "against", "mixed", "undecided", "exits_explain", "exits_disagree", "exits_uncounted", "read_share",
    "facts_differ", "imported", "not_planned", "no_host", "no_container", "no_guest", "skipped", "failed", "emulated",
    "kvm_unusable", "no_values",
]  # fmt: skip
"""Reason of a verdict; the catalogue has the sentence of each."""

Measure = Literal[
    "time", "cpu", "kept", "kept_latency", "image_bytes", "image_compressed", "read_share", "answered", "reuse_time", "reuse_bytes",
    "whole_bytes", "whole_time", "backing_bytes", "backing_time", "shared_kernel", "own_kernel", "open_attempts",
    "differing_facts", "first_instruction", "gone", "first_answer", "at_once", "start_ratio", "places", "start_growth",
]  # fmt: skip
"""What a finding is a measurement of; the catalogue has the name of each."""

Values = dict[str, str | int | float]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement that a claim's rule has read."""

    workload: str
    runner: str
    measure: Measure
    tells: Tells
    effect: Estimate | None = None
    """``None``: the finding is a fact, not a number."""
    unit: str = "ratio"
    label: Label = ""
    parameters: dict[str, Any] = {}
    """Parameters of the workload, where they tell its cases apart."""
    names: tuple[str, ...] = ()
    """Attempts that were open, or facts that differ; empty for other findings."""

    @property
    def counted(self) -> bool:
        """Tell whether the finding has a say in the verdict."""
        return self.tells != "uncounted"


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reason of a verdict: a code for the catalogue, and the values of its sentence."""

    code: Code
    values: Values = {}
    recorded: tuple[str, ...] = ()
    """Sentences of the record that the reason rests on, in English."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Hold the verdict of a rule and what it rests on."""

    outcome: Outcome
    reason: Reason
    findings: tuple[Finding, ...] = ()


class ClaimVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Hold one row of the ledger: a claim, its rule and its verdict."""

    claim: str
    """Id of the claim."""
    outcome: Outcome
    reason: Reason
    findings: tuple[Finding, ...]
    command: str
    """Command that would measure what is missing; empty where nothing is."""
    section: str
    """Section of the report that shows the measurements."""
    rule: Rule
    """Rule with its limits, as declared."""
