"""Cross workloads with runners into cases, and record what is skipped and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.bench.experiments.base import Experiment
from tare.bench.measurable import Terms, Unsuitable
from tare.bench.planning.budget import Seconds, fit
from tare.bench.planning.plan import BASE_VARIANT, Case, Plan, Skip
from tare.results.record import BASE, CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tare.bench.planning.modes import Mode
    from tare.bench.request.keyword import Match
    from tare.bench.workloads.base import Workload
    from tare.runners.context import Runner
    from tare.runners.model import Probe


def make_plan(
    workloads: Sequence[Workload | Experiment],
    runners: Mapping[str, Runner],
    probes: Mapping[str, Probe],
    *,
    mode: Mode,
    seed: int,
    match: Match,
    seconds: Seconds,
    blocks: int | None = None,
    missing: Mapping[str, tuple[str, str]] | None = None,
    terms: Terms | None = None,
) -> Plan:
    """Collect the cases.

    Args:
        workloads: all known ones, in report order.
        runners: key → runner, the base among them.
        probes: key → what the runner said of this host.
        mode: how thoroughly.
        seed: of all shuffles.
        match: ``-k`` as a predicate.
        seconds: estimates the cost of a case.
        blocks: take exactly so many instead of fitting them into the budget.
        missing: program → (reason, remedy), for programs that could not be had.
        terms: what experiments decide by whether a runner suits them; all do if ``None``.
    """
    cases: list[Case] = []
    skips: list[Skip] = []
    for workload in workloads:
        if not match((workload.name, workload.family)):
            continue
        if isinstance(workload, Experiment) and workload.opt_in and match(()):
            continue  # what matches without any name has not been asked for by its own
        lack = next((missing[name] for name in workload.programs if missing and name in missing), None)
        for key, runner in runners.items():
            probe = probes[key]
            refusal = None if probe.ok else (probe.reason, probe.remedy)
            if refused := lack or refusal or _refused(workload, runner, terms):
                reason, remedy = refused
                skips.append(
                    Skip(workload.name, workload.family, runner.label, runner.accelerator, reason, remedy)
                )
                continue
            cases.append(Case(workload, key))
            if key == BASE or (key.endswith(BASE_VARIANT) and not isinstance(workload, Experiment)):
                cases.append(Case(workload, key + CONTROL_SUFFIX))
    return fit(tuple(cases), tuple(skips), mode, seed, seconds, blocks)


def _refused(workload: Workload | Experiment, runner: Runner, terms: Terms | None) -> tuple[str, str] | None:
    """Why an experiment will not be made under a runner, and the remedy."""
    if terms is None or not isinstance(workload, Experiment):
        return None
    try:
        workload.admit(runner, terms)
    except Unsuitable as error:
        return error.reason, error.remedy
    return None
