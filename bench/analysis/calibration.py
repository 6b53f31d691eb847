"""Calibrate the judgement on this host: measure A/A and injected slowdowns through the real pipeline.

*CPU*: the same program with a share of iterations more. *Cold start*: the null job in a new place whose top process
spins, within its start, for a share of the median start measured just before. All levels are in every block.
"""

from __future__ import annotations

import secrets
import statistics
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.campaign.provision import provision
from tare.bench.campaign.run import measure
from tare.bench.campaign.session import opened
from tare.bench.planning.case import Case
from tare.bench.planning.modes import MODES
from tare.bench.planning.plan import Plan
from tare.bench.planning.variants import SIGN, Variant, make_variants
from tare.bench.request.record import request_from_record
from tare.bench.request.request import Slowdowns
from tare.bench.workloads.base import Site
from tare.bench.workloads.null import Null
from tare.bench.workloads.work import Work
from tare.results.judgement.levels import BASE_LEVEL, TWIN_LEVEL, level_name
from tare.results.plan import plan_record
from tare.results.record import CONTROL_SUFFIX
from tare.results.said import say
from tare.results.storage.find import list_runs
from tare.results.storage.load import load_run
from tare.runners.errors import UsageError
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.run import Measured
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.results.record import Manifest
    from tare.results.storage.load import Run
    from tare.runners.context import Runner

_COLLECTOR_SECONDS = 0.004
"""The collectors' own time around one job, for the estimate."""
SHARES = (0.01, 0.03, 0.05, 0.10, 0.20)
BUDGET_SECONDS = 900.0
_PILOTS = 40
"""Null launches of each runner before anything counts."""
_PRECISION = 1e-6
"""Precision that is never reached: error rates get better with every block, so all of the budget is of use."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Slowdowns to inject, and how long to measure them."""

    shares: tuple[float, ...] = SHARES
    """Slowdowns relative to the base: 0.05 is 5 %."""
    budget_seconds: float = BUDGET_SECONDS
    blocks: int | None = None
    """Blocks to take of both kinds. ``None``: as many as the budget affords."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """Medians of a few launches and jobs, taken before anything counts."""

    start_seconds: Mapping[str, float]
    """Runner key → median of its null launch, from ``requested`` to ``gone``."""
    block_seconds: float
    """Estimate for one block of both kinds."""


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that is fixed before a calibration measures, and kept for going on with it."""

    slowdowns: Slowdowns
    blocks: int | None
    """Blocks of both kinds. ``None``: as many as the budget affords."""
    budget_seconds: float
    estimate_seconds: float
    seed: int


_NOTHING = Design(Slowdowns((), {}), blocks=1, budget_seconds=0.0, estimate_seconds=0.0, seed=0)
"""Stands for the design until the pilot, in the plan that provisioning is done by."""


def calibrate(request: Request, wanted: Wanted, runs: Path, progress: Progress, *, go_on: bool) -> Measured:
    """Measure into ``runs``; ``go_on``: take up the last interrupted calibration.

    Raises:
        UsageError: there is nothing to go on with.
    """
    before = _unfinished(runs) if go_on else None
    request = _calibration_request(request, runs, before)
    with opened(request, progress) as bench, ExitStack() as stack:
        keys = [key for key, probe in bench.probes.items() if probe.ok]
        known = _stored_design(before.manifest) if before else None
        levels = _levels(known.slowdowns.shares if known else wanted.shares)
        provisioned = provision(request, bench, _plan(levels, keys, (), _NOTHING), progress)
        keys = [key for key in keys if provisioned.bench.probes[key].ok]
        design = known or _new_design(request, wanted, provisioned, keys, progress)
        request = replace(request, slowdowns=design.slowdowns)
        made = make_variants(bench.supplies, keys, _variants(design))
        log = bench.supplies.context.undo_log
        for runner in made.values():
            stack.enter_context(log.leaving(f"runner {runner.label}", closing(runner)))
        for runner in made.values():
            runner.probe()
            runner.prepare(provisioned.image, provisioned.limits)
        plan = _plan(levels, keys, [*made], design)
        everything = replace(provisioned.bench, runners={**provisioned.bench.runners, **made})
        return measure(request, replace(provisioned, bench=everything, verified={}), plan, progress)


def _calibration_request(request: Request, runs: Path, before: Run | None) -> Request:
    """Point the request at the folder of calibration runs, and at the run to go on with."""
    request = request.with_run(name="calibration")
    if before is not None:
        asked = request_from_record(plan_record(before.manifest).request)
        request = request.with_run(runners=asked.settings.run.runners)
    output = replace(request.settings.output, results_dir=runs)
    return replace(
        request,
        settings=replace(request.settings, output=output),
        resume=before.manifest.run if before else "",
        resuming="tare calibrate --resume",
    )


def _stored_design(manifest: Manifest) -> Design:
    recorded = plan_record(manifest)
    slowdowns = request_from_record(recorded.request).slowdowns
    if slowdowns is None:
        raise UsageError(say(
            "calibration.other_run", "run {run} is not a calibration and cannot be resumed as one.",
            run=manifest.run,
        ))  # fmt: skip
    return Design(
        slowdowns, recorded.blocks, recorded.budget_seconds, recorded.estimate_seconds, recorded.seed
    )


def _new_design(
    request: Request, wanted: Wanted, provisioned: Provisioned, keys: Sequence[str], progress: Progress
) -> Design:
    progress.say(say("progress.launches", "measuring how long launches take here"))
    pilot = _pilot(provisioned, keys, wanted.shares)
    seed = request.settings.run.seed
    return Design(
        Slowdowns(wanted.shares, pilot.start_seconds),
        wanted.blocks,
        wanted.budget_seconds,
        wanted.blocks * pilot.block_seconds if wanted.blocks else wanted.budget_seconds,
        secrets.randbelow(1 << 32) if seed is None else seed,
    )


def _unfinished(runs: Path) -> Run:
    """Find the last calibration run that was interrupted."""
    for entry in reversed(list_runs(runs)):
        run = load_run(entry.path)
        if run.manifest.status != "complete":
            return run
    raise UsageError(say(
        "calibration.none_interrupted", "there is no interrupted calibration in {runs}. Start one: `tare calibrate`.",
        runs=runs,
    ))  # fmt: skip


def _levels(shares: Sequence[float]) -> tuple[Work, ...]:
    return Work(BASE_LEVEL), Work(TWIN_LEVEL), *(Work(level_name(share), share) for share in shares)


def _variants(design: Design) -> list[Variant]:
    slowed = [
        Variant(
            level_name(share),
            delay_seconds={key: share * seconds for key, seconds in design.slowdowns.start_seconds.items()},
        )
        for share in design.slowdowns.shares
    ]
    return [Variant(BASE_LEVEL), Variant(TWIN_LEVEL), *slowed]


def _plan(levels: Sequence[Work], keys: Sequence[str], variants: Sequence[str], design: Design) -> Plan:
    """Plan every level of both kinds under every runner, and the base of each once more."""
    cases = [Case(level, key) for level in levels for key in keys]
    cases += [Case(levels[0], f"{key}{CONTROL_SUFFIX}") for key in keys]
    null = Null()
    cases += [Case(null, key) for key in variants]
    cases += [Case(null, f"{key}{CONTROL_SUFFIX}") for key in variants if key.endswith(f"{SIGN}{BASE_LEVEL}")]
    mode = MODES["default"]
    return Plan(
        mode=mode.name,
        seed=design.seed,
        cases=tuple(cases),
        blocks=design.blocks,
        precision=_PRECISION,
        together=True,
        job_seconds=0.02,
        warmups=False,
        budget_seconds=design.budget_seconds,
        estimate_seconds=round(design.estimate_seconds, 1),
        cheap=frozenset(case.runner for case in cases),
        control_everywhere=True,
    )


def _pilot(provisioned: Provisioned, keys: Sequence[str], shares: Sequence[float]) -> Pilot:
    """Launch and work a few times under every runner."""
    starts, block = {}, 0.0
    cases = len(_levels(shares)) + 1
    for key in keys:
        totals, costs = zip(*(_null_launch(provisioned.runner(key)) for _ in range(_PILOTS)), strict=True)
        starts[key] = statistics.median(totals)
        block += statistics.median(costs) * cases
        block += _steady_seconds(provisioned, key) * cases
    return Pilot(starts, block)


def _null_launch(runner: Runner) -> tuple[float, float]:
    """Launch the null job; return the seconds from ``requested`` to ``gone``, and those of the whole."""
    began, job = time.monotonic(), Job()
    with runner.open(first=job) as place:
        place.run(job)
    total = (place.timeline["gone"] - place.timeline["requested"]) / 1e9
    return total, time.monotonic() - began


def _steady_seconds(provisioned: Provisioned, key: str) -> float:
    """Return the median cost of opening a place for one job of the base level."""
    work, times = Work(BASE_LEVEL), []
    for _ in range(3):
        began = time.monotonic()
        with provisioned.runner(key).open() as place:
            site = Site(provisioned.image, place.root, place.scratch, provisioned.limits.cpus)
            place.run(work.job(site, 0.0))
        times.append(time.monotonic() - began)
    return statistics.median(times) + _COLLECTOR_SECONDS
