"""Make up runs that bear on the claims of the study note: comparisons, deliveries, isolation, starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.results_making import manifest, metric, trial
from tare.results.details import (
    Attempt,
    BurstStart,
    DensityDetails,
    IsolationDetails,
    PlacesMemory,
    StartsDetails,
)
from tare.results.environment import KvmBaseline, ProbeRecord
from tare.results.judgement.claims.declared import CLAIMS
from tare.results.judgement.claims.evidence import Evidence
from tare.results.judgement.claims.verdict import judge_claims
from tare.results.judgement.comparison import Comparison
from tare.results.record import HOST_CPU_TIME
from tare.results.statistics.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.judgement.claims.model import ClaimVerdict
    from tare.results.judgement.comparison import Verdict
    from tare.results.record import Trial

GUEST, EMULATED = "qemu-microvm", "qemu-microvm(tcg)"
ACCELERATORS = {GUEST: "kvm", EMULATED: "tcg"}
FAMILIES = {
    "deploy-python": "deploy",
    "deploy-static": "deploy",
    "null": "startup",
    "starts-4": "crowd",
    "density": "crowd",
    "neighbours-cpu": "neighbours",
    "neighbours-disk": "neighbours",
    "neighbours-memory": "neighbours",
    "services-one": "services",
    "services-place": "services",
    "services-places": "services",
}


def verdict_on(
    claim: str, trials: Iterable[Trial] = (), comparisons: Iterable[Comparison] = (), **about: Any
) -> ClaimVerdict:
    """Judge one claim by a made-up run."""
    chosen = [one for one in CLAIMS if one.id == claim]
    assert chosen, claim
    found = Evidence(manifest(**about), tuple(trials), tuple(comparisons))
    (judged,) = judge_claims(found, chosen)
    return judged


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low * high) ** 0.5, low=low, high=high, confidence=0.95, n=20, method="made up")


def compared(
    workload: str,
    runner: str,
    low: float,
    high: float,
    verdict: Verdict,
    *,
    by_cpu: bool = False,
    **changes: Any,
) -> Comparison:
    """Make a comparison with ``bare`` whose cost has that interval."""
    one = estimate(1.0, 1.0)
    fields: dict[str, Any] = {
        "workload": workload, "family": workload, "parameters": {}, "metric": HOST_CPU_TIME if by_cpu else "wall",
        "unit": "s", "direction": "lower", "clock": "", "primary": not by_cpu, "runner": runner,
        "accelerator": ACCELERATORS.get(runner, "none"), "base": "bare", "subject_value": one, "base_value": one,
        "cost": estimate(low, high), "floor": None, "threshold": 0.02, "verdict": verdict, "because": "",
    }  # fmt: skip
    return Comparison(**fields | changes)


def ran(
    workload: str,
    runner: str,
    *,
    block: int = 0,
    details: Any = None,
    metrics: Mapping[str, float] | None = None,
) -> Trial:
    """Make a trial of a workload with metrics by name."""
    values = [metric(value, name=name) for name, value in (metrics or {}).items()]
    return trial(
        block, *values, workload=workload, family=FAMILIES.get(workload, workload), runner=runner, details=details,
        accelerator=ACCELERATORS.get(runner, "none"), block=block,
    )  # fmt: skip


def skipped(workload: str, runner: str) -> Trial:
    return trial(
        0, workload=workload, family=FAMILIES.get(workload, workload), runner=runner, outcome="skipped",
        reason="It is not here.", remedy="Fetch it.",
    )  # fmt: skip


def every(workloads: Iterable[str], *runners: str) -> list[Trial]:
    """Make one trial of each workload under each runner, as a run that has comparisons also has."""
    return [ran(workload, runner) for runner in runners for workload in workloads]


def looked(
    runner: str,
    *,
    same_kernel: bool = True,
    opened: Iterable[str] = (),
    facts: Mapping[str, str | int] | None = None,
) -> Trial:
    """Make a trial of ``isolation``."""
    attempts = tuple(Attempt(name=name, verdict="open", error="", tried="") for name in opened)
    kept = Attempt(name="set-time", verdict="blocked", error="EPERM", tried="")
    details = IsolationDetails(
        attempts=(*attempts, kept), fingerprint=dict(facts or {}), same_kernel=same_kernel
    )
    return ran("isolation", runner, details=details)


def delivered(workload: str, runner: str, block: int = 0, **ways: Mapping[str, float]) -> Trial:
    """Make a trial of ``deploy``: way, with ``_`` for ``-`` → metric → value."""
    metrics = {
        f"deploy.{way.replace('_', '-')}.{name}": value
        for way, found in ways.items()
        for name, value in found.items()
    }
    return ran(workload, runner, block=block, metrics=metrics)


def opened(runner: str, places: int, growth: float = 1.0) -> Trial:
    """Make a ramp of ``density`` with so many places, whose last starts took so many times as long as the first."""
    memory = tuple(
        PlacesMemory(
            places=n, processes=n, pss_bytes=n, cgroups_bytes=None, attendants_bytes=None, daemons_bytes=None,
            available_bytes=1,
        )
        for n in (0, places)
    )  # fmt: skip
    details = DensityDetails(budget_bytes=1, stopped="", memory=memory, start_seconds=())
    quarters = {"density.start.first_quarter": 0.01, "density.start.last_quarter": 0.01 * growth}
    return ran("density", runner, details=details, metrics=quarters)


def burst(runner: str, seconds: float) -> Trial:
    starts = tuple(BurstStart(0, round(seconds * 1e9), round(seconds * 2e9)) for _ in range(4))
    return ran("starts-4", runner, details=StartsDetails(bursts=(starts,)))


def kvm_unusable() -> dict[str, ProbeRecord]:
    found = KvmBaseline(present=True, usable=False, accelerated=None, nested=True, reason="emulated")
    return {GUEST: ProbeRecord(ok=True, kvm=found)}
