"""Calibration: A/A and injected slowdowns through the real pipeline, on this host.

*CPU*: the same program with a share of iterations more. *Cold start*: the null job in a new place whose top process
spins, within its start, for a share of the median start measured just before. All levels are in every block.
"""

from __future__ import annotations

import secrets
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tare.bench.campaign.provision import provide
from tare.bench.campaign.run import measure
from tare.bench.campaign.session import opened
from tare.bench.planning.modes import Mode
from tare.bench.planning.plan import Case, Plan
from tare.bench.planning.variants import SIGN, Variant, make_variants
from tare.bench.workloads.base import Site
from tare.bench.workloads.null import Null
from tare.bench.workloads.work import Work
from tare.results.judgement.levels import BASE, TWIN, level_name
from tare.results.record import CONTROL_SUFFIX
from tare.results.storage.find import list_runs
from tare.results.storage.load import load_run
from tare.runners.errors import UsageError
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tare.bench.planning.runners import Bench
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.results.storage.load import Run
    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Limits

SHARES = (0.01, 0.03, 0.05, 0.10, 0.20)
BUDGET_SECONDS = 900.0
LEAST_BLOCKS = 20
_PILOTS = 40
_BLOCKS_A_ROUND = 10
"""Cold starts and jobs take turns after so many blocks, so that both see all of the time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to calibrate."""

    shares: tuple[float, ...] = SHARES
    budget_seconds: float = BUDGET_SECONDS
    blocks: int | None = None


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a few launches showed, before anything counts."""

    start_seconds: Mapping[str, float]
    """Runner key → median of its null launch."""
    block_seconds: float
    """Estimate for one block of everything."""


def calibrate(
    request: Request, wanted: Wanted, runs: Path, progress: Progress, *, go_on: bool
) -> tuple[Path, bool]:
    """Measure into ``runs``; ``go_on``: take up the last interrupted one.

    Returns the run's folder and whether it was interrupted.

    Raises:
        UsageError: there is nothing to go on with.
    """
    before = _unfinished(runs) if go_on else None
    settings = {**request.settings, "run.results_dir": runs, "run.name": "calibration"}
    if before is not None:
        asked = before.manifest.plan["request"]["settings"]
        settings |= {"calibration": asked["calibration"], "run.runners": tuple(asked["run.runners"])}
    request = replace(
        request,
        settings=settings,
        resume=before.manifest.run if before else "",
        resuming="tare calibrate --resume",
    )
    limits = request.limits()
    with opened(request, progress, run_id=request.resume) as bench:
        keys = [key for key, probe in bench.probes.items() if probe.ok]
        levels = _levels(settings["calibration"]["shares"] if before else wanted.shares)
        supplied = provide(request, bench, _plan(levels, keys, (), 1, 0.0, 0), limits, progress)
        keys = [key for key in keys if supplied.bench.probes[key].ok]
        image = supplied.image
        if before is None:
            progress.say("looking how long launches take here")
            pilot = _pilot(bench, keys, image, limits, levels)
            blocks = wanted.blocks or max(LEAST_BLOCKS, int(wanted.budget_seconds / pilot.block_seconds))
            kept: dict[str, Any] = {"shares": wanted.shares, "start_seconds": dict(pilot.start_seconds)}
            request = replace(request, settings={**request.settings, "calibration": kept})
            estimate, seed = blocks * pilot.block_seconds, _seed(request)
        else:
            kept = request.settings["calibration"]
            recorded = before.manifest.plan
            blocks, estimate, seed = (
                recorded["cold_blocks"],
                recorded["estimate_seconds"],
                before.manifest.seed,
            )
        variants = _variants(kept["shares"], kept["start_seconds"])
        with ExitStack() as stack:
            made = make_variants(bench.supplies, keys, variants)
            for runner in made.values():
                stack.callback(runner.close)
            for runner in made.values():
                runner.probe()
                runner.prepare(image, limits)
            final = _plan(levels, keys, [*made], blocks, estimate, seed)
            everything = replace(supplied.bench, runners={**supplied.bench.runners, **made})
            return measure(request, everything, final, image, limits, progress)


def _seed(request: Request) -> int:
    asked: int | None = request.settings["run.seed"]
    return secrets.randbelow(1 << 32) if asked is None else asked


def _unfinished(runs: Path) -> Run:
    for entry in reversed(list_runs(runs)):
        run = load_run(entry.path)
        if run.manifest.status != "complete":
            return run
    raise UsageError(f"there is no interrupted calibration in {runs}. Start one: `tare calibrate`.")


def _levels(shares: Sequence[float]) -> tuple[Work, ...]:
    return Work(BASE), Work(TWIN), *(Work(level_name(share), share) for share in shares)


def _variants(shares: Sequence[float], starts: Mapping[str, float]) -> list[Variant]:
    slowed = [
        Variant(level_name(share), delay_seconds={key: share * seconds for key, seconds in starts.items()})
        for share in shares
    ]
    return [Variant(BASE), Variant(TWIN), *slowed]


def _plan(
    levels: Sequence[Work],
    keys: Sequence[str],
    variants: Sequence[str],
    blocks: int,
    estimate: float,
    seed: int,
) -> Plan:
    """Every level of both kinds under every runner, and the base of each once more."""
    cases = [Case(level, key) for level in levels for key in keys]
    cases += [Case(levels[0], f"{key}{CONTROL_SUFFIX}") for key in keys]
    null = Null()
    cases += [Case(null, key) for key in variants]
    cases += [Case(null, f"{key}{CONTROL_SUFFIX}") for key in variants if key.endswith(f"{SIGN}{BASE}")]
    rounds = max(1, blocks // _BLOCKS_A_ROUND)
    mode = Mode(
        "default",
        budget_seconds=estimate,
        rounds=rounds,
        job_seconds=0.02,
        least_blocks=blocks,
        most_blocks=blocks,
        most_cold_blocks=blocks,
        warmups=False,
    )
    return Plan(
        mode=mode,
        seed=seed,
        cases=tuple(cases),
        skips=(),
        cold_blocks=blocks,
        steady_blocks=blocks,
        estimate_seconds=estimate,
        trials=blocks * len(cases),
        reopened=frozenset(f"{key}{again}" for key in keys for again in ("", CONTROL_SUFFIX)),
    )


def _pilot(bench: Bench, keys: Sequence[str], image: Image, limits: Limits, levels: Sequence[Work]) -> Pilot:
    starts, block = {}, 0.0
    for key in keys:
        runner = bench.runners[key]
        totals, costs = zip(*(_null_launch(runner) for _ in range(_PILOTS)), strict=True)
        starts[key] = statistics.median(totals)
        block += statistics.median(costs) * (len(levels) + 1)
        block += _steady_seconds(runner, levels[0], image, limits) * (len(levels) + 1)
    return Pilot(starts, block)


def _null_launch(runner: Runner) -> tuple[float, float]:
    """Seconds from ``requested`` to ``gone``, and what it cost in all."""
    began, job = time.monotonic(), Job()
    with runner.open(first=job) as place:
        place.run(job)
    total = (place.timeline["gone"] - place.timeline["requested"]) / 1e9
    return total, time.monotonic() - began


def _steady_seconds(runner: Runner, work: Work, image: Image, limits: Limits) -> float:
    times = []
    for _ in range(3):
        began = time.monotonic()
        with runner.open() as place:
            place.run(work.job(Site(image, place.root, place.scratch, limits.cpus), 0.0))
        times.append(time.monotonic() - began)
    # The collectors' own time comes on top.
    return statistics.median(times) + 0.004
