"""Hold what claims are judged by, and find in it what rules ask for."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from tare.results.judgement.answers import pair_answers
from tare.results.judgement.claims.model import Code, Judged, Outcome, Reason
from tare.results.judgement.comparison import CONFIDENCE
from tare.results.record import BASE
from tare.results.statistics.estimates import Estimate, one_sample
from tare.results.statistics.exponents import exp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.claims.declared import Claim, PlaceKind
    from tare.results.judgement.claims.model import Finding, Label, Tells, Values
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest, Trial

_SANDBOXES = ("runsc",)
_LABEL_OF: Mapping[PlaceKind, Label] = {"guest": "guest", "sandbox": "sandbox"}
_KINDS: Mapping[str, PlaceKind] = {
    "host": "host",
    "guest": "guest",
    "container": "container",
    "engine": "container",
}


@dataclass(frozen=True)
class Evidence:
    """Hold a run as far as claims read it."""

    manifest: Manifest
    trials: Sequence[Trial]
    comparisons: Sequence[Comparison]
    """Comparisons with the base, after chance was withdrawn."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Runner, without variant → its kind in the registry; runners that are missing here are told by their accelerator."""

    @cached_property
    def measured(self) -> tuple[Trial, ...]:
        """Trials that count: no warm-ups and no second measurement of the base."""
        return tuple(t for t in self.trials if t.outcome == "ok" and not t.warmup and not t.control)

    @cached_property
    def answers(self) -> tuple[Answers, ...]:
        """Both answers, time and CPU, of each judged workload and runner."""
        return tuple(pair_answers(self.comparisons))

    @cached_property
    def _kvm_usable(self) -> bool:
        return all(probe.kvm is None or probe.kvm.usable for probe in self.manifest.probes.values())

    def kind(self, runner: str, accelerator: str = "none") -> PlaceKind:
        """Tell the kind of a runner's places."""
        own = own_name(runner)
        if own in _SANDBOXES:
            return "sandbox"
        if accelerator != "none":
            return "guest"
        return _KINDS.get(self.kinds.get(own, ""), "host" if own == BASE else "container")

    def doubt(self, accelerator: str) -> Label:
        """Tell why a guest says nothing about hypervisors; empty where it runs on the hardware."""
        if accelerator == "tcg":
            return "emulated"
        return "kvm_unusable" if accelerator == "kvm" and not self._kvm_usable else ""

    def trials_of(self, claim: Claim, *kinds: PlaceKind) -> tuple[Trial, ...]:
        """List the trials with values of what a claim needs, under places of these kinds."""
        found = [
            one
            for group in self._groups
            if needed(claim, group[0][1]) and self.kind(group[0][1].runner, group[0][1].accelerator) in kinds
            for one in group
        ]
        return tuple(trial for _at, trial in sorted(found, key=itemgetter(0)))

    @cached_property
    def _groups(self) -> tuple[list[tuple[int, Trial]], ...]:
        """Group the trials that count, each with its place among them, by all that tells whether a claim reads them."""
        found: dict[tuple[str, ...], list[tuple[int, Trial]]] = defaultdict(list)
        for at, trial in enumerate(self.measured):
            key = (trial.workload, trial.family, trial.runner, trial.accelerator)
            found[key].append((at, trial))
        return tuple(found.values())


def own_name(runner: str) -> str:
    """Give a label's runner without variant, version and accelerator: ``qemu-q35`` of ``qemu-q35:pin(tcg)``."""
    for sign in ("(", "@", ":"):
        runner = runner.partition(sign)[0]
    return runner


def needed(claim: Claim, thing: Trial | Comparison) -> bool:
    """Tell whether a claim's rule reads the workload."""
    return thing.workload in claim.needs or thing.family in claim.needs


def other_label(kind: PlaceKind, wanted: PlaceKind) -> Label:
    """Give the label of a finding from another kind of place than the claim is about; empty for the kind itself."""
    return "" if kind == wanted else _LABEL_OF.get(kind, "")


def by_case(trials: Iterable[Trial]) -> dict[tuple[str, str], list[Trial]]:
    """Group trials by workload and runner, in the order of measurement."""
    found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        found[trial.workload, trial.runner].append(trial)
    return found


def values(trials: Iterable[Trial], metric: str) -> list[float]:
    """List the values of a metric, one for each trial that has it."""
    return [one.value for trial in trials for one in trial.metrics if one.name == metric]


def middle(trials: Iterable[Trial], metric: str) -> float | None:
    """Give the median of a metric; ``None`` without values."""
    found = values(trials, metric)
    return statistics.median(found) if found else None


def exact(value: float, n: int, method: str = "counted") -> Estimate:
    """Make an estimate of something that was counted and has no interval."""
    return Estimate(value=value, low=None, high=None, confidence=CONFIDENCE, n=n, method=method)


def ratio_of(pairs: Iterable[tuple[float, float]]) -> Estimate | None:
    """Estimate the ratio of paired values with its interval; ``None`` without positive pairs."""
    logs = [math.log(above / below) for above, below in pairs if above > 0 and below > 0]
    return one_sample(logs, CONFIDENCE).mapped(exp, CONFIDENCE) if logs else None


def beyond(effect: Estimate, limit: float) -> Tells:
    """Say ``for`` if an effect lies wholly above a limit, ``against`` if wholly at or below it, else ``open``.

    What has no interval because it was counted is compared by its value.
    """
    low, high = effect.low, effect.high
    if low is None or high is None:
        if effect.method != "counted":
            return "open"
        low = high = effect.value
    return "for" if low > limit else "against" if high <= limit else "open"


def settled(findings: Sequence[Finding], *, least_decided: float = 0.0) -> Judged:
    """Form the verdict of findings that each tell for or against the claim.

    Args:
        findings: All findings of the claim.
        least_decided: Share of the counted ones that must be decided before they support it together.
    """
    tells = [finding.tells for finding in findings if finding.counted]
    good, bad = tells.count("for"), tells.count("against")
    values: Values = {"good": good, "bad": bad, "open": tells.count("open"), "n": len(tells)}
    if good and bad:
        found = _DEPENDS
    elif bad:
        found = _REFUTED
    else:
        found = _SUPPORTED if good and good >= least_decided * len(tells) else _UNDECIDED
    reason = Reason(code=found[1], values=values)
    return Judged(outcome=found[0], reason=reason, findings=tuple(findings))


_Found = tuple[Outcome, Code]
_SUPPORTED: _Found = ("supported", "for")
_REFUTED: _Found = ("refuted", "against")
_DEPENDS: _Found = ("depends", "mixed")
_UNDECIDED: _Found = ("undecided", "undecided")
