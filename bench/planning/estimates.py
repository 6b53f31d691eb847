"""Estimate what cases cost, from what they cost on this host before, else by rules of thumb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tare.results.record import CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.bench.planning.plan import Case
    from tare.results.record import Accelerator

_OPENING_SECONDS: Mapping[Accelerator, float] = {"none": 0.01, "kvm": 2.0, "tcg": 6.0}
"""Accelerator → seconds to make a place and to tear it down; a rule of thumb."""

_EXCHANGE_SECONDS = 0.05
"""A job's way to the agent and back, with the collectors around it; a rule of thumb."""

_TCG_SLOWDOWN = 8.0
"""Factor by which :data:`_EXCHANGE_SECONDS` grows where a guest is emulated."""


def timings_file(cache: Path) -> Path:
    """Name the file that keeps what cases cost in earlier runs: for estimates alone, never for results."""
    return cache / "timings.json"


def job_key(case: Case, job_seconds: float) -> str:
    """Name the key under which a job's cost is kept: jobs of another length cost something else."""
    return f"{case.workload.name}@{case.runner}/{job_seconds:g}"


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimated seconds of openings, jobs and blocks."""

    accelerators: Mapping[str, Accelerator]
    """Runner key → accelerator."""
    seen: Mapping[str, float] = field(default_factory=dict)
    """:func:`job_key` and ``open@<runner>`` → seconds, from earlier runs on this host."""

    def opening(self, runner: str) -> float:
        """Estimate the making and tearing down of a place."""
        return self.seen.get(f"open@{runner}", _OPENING_SECONDS[self._accelerator(runner)])

    def trial(self, case: Case, job_seconds: float) -> float:
        """Estimate one cold start, one job in an open place, or one trial of an experiment."""
        workload = case.workload
        nominal = workload.nominal_seconds(self.opening(case.runner), job_seconds)
        if workload.kind == "cold":
            return nominal
        if workload.kind == "steady":
            slowdown = _TCG_SLOWDOWN if self._accelerator(case.runner) == "tcg" else 1.0
            nominal += _EXCHANGE_SECONDS * slowdown
        return self.seen.get(job_key(case, job_seconds), nominal)

    def block(self, cases: Iterable[Case], job_seconds: float) -> float:
        """Estimate one trial of each case."""
        return sum(self.trial(case, job_seconds) for case in cases)

    def _accelerator(self, runner: str) -> Accelerator:
        return self.accelerators[runner.removesuffix(CONTROL_SUFFIX)]
