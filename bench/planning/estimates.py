"""Estimate what cases cost, from what they cost on this host before, else by rules of thumb."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from tare.bench.planning.modes import JOB_SECONDS
from tare.bench.planning.units import plain
from tare.results.record import BASE, CONTROL_SUFFIX
from tare.results.storage.atomic import write_whole
from tare.runners.host.files import read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tare.bench.measurable import Measurable
    from tare.bench.planning.case import Case
    from tare.bench.planning.units import Judged, Unit
    from tare.results.record import Accelerator

_OPENING_SECONDS: Mapping[Accelerator, float] = {"none": 0.01, "kvm": 2.0, "tcg": 6.0}
"""Accelerator → seconds to make a place and to tear it down; a rule of thumb."""

CHEAP_OPENING_SECONDS = 0.1
"""Runners whose places take less than this to make and to tear down are cheap."""

_CHEAP_OPENINGS_OF_BASE = 8
"""On a busy host everything takes longer: so many times the opening of the base is cheap, too."""

_EXCHANGE_SECONDS = 0.05
"""A job's way to the agent and back, with the collectors around it; a rule of thumb."""

_LARGEST = 1e9
"""Estimates above this, and those that are not finite, are damage."""

_TCG_SLOWDOWN = 8.0
"""Factor by which :data:`_EXCHANGE_SECONDS` grows where a guest is emulated."""


def timings_file(cache: Path) -> Path:
    """Name the file that keeps what cases cost in earlier runs: for estimates alone, never for results."""
    return cache / "timings.json"


def spreads_file(cache: Path) -> Path:
    """Name the file that keeps how much costs varied in the last run: for forecasts alone, never for results."""
    return cache / "spreads.json"


def read_numbers(path: Path) -> dict[str, float]:
    """Read a file of numbers by key; empty if it is absent or damaged. Values that are no number of use are left out."""
    return {
        key: float(value)
        for key, value in read_object(path).items()
        if isinstance(value, int | float) and 0 <= value <= _LARGEST
    }


def merge_numbers(path: Path, new: Mapping[str, float]) -> None:
    """Merge numbers into a file of the cache. Not being able to write it is no failure: they are estimates."""
    try:
        merged = {**read_numbers(path), **new}
        write_whole(path, json.dumps(merged, indent=1, sort_keys=True).encode())
    except OSError:
        return


def read_estimates(cache: Path, accelerators: Mapping[str, Accelerator]) -> Estimates:
    """Read what cases cost on this host before; rules of thumb stand for the others."""
    return Estimates(accelerators, read_numbers(timings_file(cache)))


def spread_key(case: Case, judged: Judged, job_seconds: float) -> str:
    """Name the key under which the spread of a case's cost is kept."""
    return f"{job_key(case, job_seconds)}/{judged}"


def job_key(case: Case, job_seconds: float) -> str:
    """Name the key under which a job's cost is kept: jobs of another length cost something else."""
    return f"{case.workload.name}@{case.runner}/{job_length(case.workload, job_seconds):g}"


def job_length(measurable: Measurable, job_seconds: float) -> float:
    """Return the length of a job: the plan's, unless so short a job would consist of the program's start.

    Where the plan's jobs are shorter than usual, as in quick runs, all are, and programs' starts weigh more in them.
    """
    return max(job_seconds, min(1.0, job_seconds / JOB_SECONDS) * measurable.shortest_seconds)


class Estimates(msgspec.Struct, frozen=True):
    """Estimated seconds of openings, jobs and blocks."""

    accelerators: Mapping[str, Accelerator]
    """Runner key → accelerator."""
    seen: Mapping[str, float] = msgspec.field(default_factory=dict)
    """:func:`job_key` and ``open@<runner>`` → seconds, from earlier runs on this host."""

    def opening(self, runner: str) -> float:
        """Estimate the making and tearing down of a place."""
        return self.seen.get(f"open@{runner}", _OPENING_SECONDS[self._accelerator(runner)])

    def trial(self, case: Case, job_seconds: float) -> float:
        """Estimate one cold start, one job in an open place, or one trial of an experiment."""
        workload = case.workload
        nominal = workload.nominal_seconds(self.opening(case.runner), job_length(workload, job_seconds))
        if workload.kind == "cold":
            return nominal
        if workload.kind == "steady":
            slowdown = _TCG_SLOWDOWN if self._accelerator(case.runner) == "tcg" else 1.0
            nominal += _EXCHANGE_SECONDS * slowdown
        return self.seen.get(job_key(case, job_seconds), nominal)

    def block(self, unit: Unit, job_seconds: float) -> float:
        """Estimate one block of a unit, with the openings of places that are made anew for it."""
        trials = sum(self.trial(case, job_seconds) for case in unit.cases)
        anew = {case.runner for case in unit.cases} - unit.kept if unit.kind == "steady" else ()
        return trials + sum(self.opening(key) for key in anew)

    def visit(self, unit: Unit) -> float:
        """Estimate the openings of the places that stay open over several blocks of a unit."""
        return sum(self.opening(key) for key in unit.kept) if unit.visiting else 0.0

    def emulated(self, runners: Iterable[str]) -> frozenset[str]:
        """Pick the runners whose guests' CPUs are emulated."""
        return frozenset(key for key in runners if self._accelerator(key) == "tcg")

    def cheap(self, runners: Iterable[str]) -> frozenset[str]:
        """Pick the runners whose places are cheap to make; those of one runner's variants are alike in it."""
        runners = list(runners)
        limit = max(CHEAP_OPENING_SECONDS, _CHEAP_OPENINGS_OF_BASE * self.seen.get(f"open@{BASE}", 0.0))
        costly = {plain(key) for key in runners if self.opening(key) >= limit} - {BASE}
        return frozenset(key for key in runners if plain(key) not in costly)

    def _accelerator(self, runner: str) -> Accelerator:
        return self.accelerators[runner.removesuffix(CONTROL_SUFFIX)]
