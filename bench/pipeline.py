"""The suite's table of contents: plan → provision → launch → collect → store → compare and report.

:func:`execute` is what ``tare run`` and the pytest front both call.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.campaign.profiling import PROFILES, profile
from tare.bench.campaign.provision import provide
from tare.bench.campaign.run import measure
from tare.bench.campaign.stopping import LEAST_OPENINGS
from tare.bench.catalogue import MEASURABLE, by_name
from tare.bench.errors import EnvironmentMissing, Exit, UsageError
from tare.bench.planning.plan import MODES, Case, ModeName, Plan, Seconds, Terms, make_plan, timings_file
from tare.bench.planning.variants import Variant, make_variants
from tare.bench.registry import BASE, CONTROL, DEFAULT, QUICK, Supplies, check, make
from tare.bench.request import settings
from tare.bench.request.keyword import compile_keyword
from tare.bench.workloads.command import Command
from tare.results.statistics.width import CHECKPOINTS
from tare.results.storage.find import find_run
from tare.results.storage.load import load_run
from tare.results.storage.store import new_run_id
from tare.runners import cleanup as leftovers
from tare.runners.containers.engines.private import clear_dead
from tare.runners.launcher.client import Launcher
from tare.runners.model import Limits, Probe, RunContext
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tare.bench.experiments.base import Experiment
    from tare.bench.progress import Progress
    from tare.bench.request.keyword import Match
    from tare.bench.workloads.base import Workload
    from tare.results.record import Trial
    from tare.runners.model import Runner


MOST_BLOCKS_OF_VERSIONS: Mapping[ModeName, int] = {"quick": 20, "default": 300, "rigorous": 600}
"""Where two versions are compared nothing else is measured, and small differences are what is looked for: as many
blocks as find 5 % on a machine that others use, too (docs/method.md has the curves)."""


MOST_BLOCKS = CHECKPOINTS[-1]
"""Where a precision is aimed at."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of one run."""

    settings: Mapping[str, Any]
    mode: ModeName = "default"
    offline: bool = False
    profile: bool = False
    resume: str = ""
    command: tuple[str, ...] = ()
    """The user's own command; then it is the only workload besides ``null``."""
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name → command, of versions to measure side by side; then they are the only workloads."""
    variants: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Name → settings that differ, of two variants of every runner to measure side by side; the first is the base."""
    carry: tuple[Path, ...] = ()
    """Files and folders of the host that the command needs in the image."""
    cases: frozenset[tuple[str, str]] | None = None
    """Only these (workload, runner key); everything that the settings select if ``None``."""
    report: bool = True
    resuming: str = "tare run --resume {run}"
    """How to go on with the run if it is interrupted."""

    def limits(self) -> Limits:
        """What each place may use."""
        return settings.limits(self.settings, sorted(os.sched_getaffinity(0)))

    def record(self) -> dict[str, Any]:
        """What a resumed run needs to ask for the same again, as JSON knows it."""
        plain = {
            key: str(value) if isinstance(value, Path) else value for key, value in self.settings.items()
        }
        return {
            "settings": plain,
            "mode": self.mode,
            "command": list(self.command),
            "versions": [[name, list(command)] for name, command in self.versions],
            "variants": [[name, dict(settings)] for name, settings in self.variants],
            "carry": [str(path) for path in self.carry],
            "cases": sorted(self.cases) if self.cases is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a run."""

    run_dir: Path
    trials: tuple[Trial, ...]
    report: Path | None
    summary: str
    """For a terminal; empty without a report."""
    interrupted: bool = False

    @property
    def exit_code(self) -> Exit:
        """130 interrupted, 4 if any trial is not ok (skips do not count), else 0."""
        if self.interrupted:
            return Exit.INTERRUPTED
        bad = any(trial.outcome not in {"ok", "skipped"} for trial in self.trials)
        return Exit.SOME_FAILED if bad else Exit.OK

    def as_json(self) -> dict[str, object]:
        """What a machine would want to know."""
        counts: dict[str, int] = {}
        for trial in self.trials:
            counts[trial.outcome] = counts.get(trial.outcome, 0) + 1
        return {
            "run": self.run_dir.name,
            "results": str(self.run_dir),
            "report": str(self.report) if self.report else None,
            "outcomes": counts,
            "interrupted": self.interrupted,
        }

    def closing_lines(self) -> list[str]:
        """The last lines that a person sees; the very last one is the report's path."""
        last = self.report or self.run_dir
        return [*self.summary.splitlines(), f"raw data: {self.run_dir / 'trials.jsonl'}", str(last)]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run works with: its context, its runners by key, and what they said of this host."""

    supplies: Supplies
    runners: Mapping[str, Runner]
    probes: Mapping[str, Probe]


def choose_runners(request: Request) -> tuple[str, ...]:
    """Keys of the runners asked for, the base in front."""
    default = QUICK if request.mode == "quick" else DEFAULT
    return check(request.settings["run.runners"] or default)


def choose_workloads(request: Request) -> tuple[Workload | Experiment, ...]:
    """The known workloads and experiments, or ``null`` and the user's own command, or the versions to compare."""
    image = request.settings["run.image"]
    if request.versions:
        return tuple(
            Command(command, name=name, program=name, image=image) for name, command in request.versions
        )
    if not request.command:
        return MEASURABLE
    return by_name("null"), Command(request.command, image=image)


def probe(supplies: Supplies, keys: Sequence[str]) -> Bench:
    """Make the runners and ask each whether it can work here."""
    runners = {key: make(key, supplies) for key in keys}
    return Bench(supplies, runners, {key: runner.probe() for key, runner in runners.items()})


def _in_variants(request: Request, supplies: Supplies) -> Bench:
    """Every runner asked for in every variant, and no other: each is compared with its own base."""
    asked = request.settings["run.runners"]
    keys = check(asked)[0 if BASE in asked else 1 :]
    runners = make_variants(supplies, keys, [Variant(name, own) for name, own in request.variants])
    return Bench(supplies, runners, {key: runner.probe() for key, runner in runners.items()})


def plan(request: Request, bench: Bench, missing: Mapping[str, tuple[str, str]] | None = None) -> Plan:
    """Step 1. See :func:`tare.bench.planning.plan.make_plan`."""
    wanted = request.settings
    mode = MODES[request.mode]
    if wanted["run.budget"]:
        mode = replace(mode, budget_seconds=wanted["run.budget"])
    if request.versions or request.variants:
        mode = replace(mode, most_blocks=max(mode.most_blocks, MOST_BLOCKS_OF_VERSIONS[mode.name]))
    if wanted.get("run.precision"):
        # The budget bounds them; rounds are openings of what is too slow to be made anew for every block.
        mode = replace(
            mode,
            most_blocks=MOST_BLOCKS,
            most_cold_blocks=MOST_BLOCKS,
            rounds=max(mode.rounds, LEAST_OPENINGS),
        )
    seed = wanted["run.seed"]
    accelerators = {key: runner.accelerator for key, runner in bench.runners.items()}
    made = make_plan(
        choose_workloads(request),
        bench.runners,
        bench.probes,
        mode=mode,
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        match=_match(request),
        seconds=Seconds(accelerators, _timings(bench.supplies.context.cache)),
        blocks=wanted["run.blocks"],
        missing=missing,
        terms=Terms(request.limits(), wanted),
    )
    if request.versions:
        # The floor is one of the host's; measuring the base twice shows it.
        made = made.without({(name, CONTROL) for name, _ in request.versions[1:]})
    if request.cases is not None:
        made = made.restricted(request.cases)
    if not made.cases and not made.skips:
        raise UsageError(f"-k {wanted['run.keyword']!r} matches no workload; `tare plan` lists them")
    return made


def _match(request: Request) -> Match:
    """Which names are wanted: ``-k``, or those of the cases asked for one by one."""
    if request.cases is None:
        return compile_keyword(request.settings["run.keyword"])
    wanted = {name for name, _ in request.cases}
    return lambda names: any(name in wanted for name in names)


def _timings(cache: Path) -> dict[str, float]:
    try:
        known = json.loads(timings_file(cache).read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        # Absent, or cut by a full disk: rules of thumb do as well.
        return {}


@contextmanager
def opened(request: Request, progress: Progress, run_id: str = "") -> Iterator[Bench]:
    """Everything a run needs of the host, taken apart again at the end.

    Removes what dead runs left, makes the work folder and starts the launcher, all of it registered so
    that the next start finds it should this process be killed.
    """
    cache = default_cache()
    for leftover in leftovers.find(cache):
        leftovers.remove(leftover, cache)
        progress.say(f"removed what a killed run had left: {', '.join(leftover.describe())}")
    if removed := clear_dead():
        progress.say(f"removed what tare's Docker daemon had left: {', '.join(removed)}")
    run_id = run_id or new_run_id()
    workdir = Path(os.environ.get("TARE_WORKDIR", "/var/tmp")) / f"tare-{run_id}"  # noqa: S108 - disk-backed, unlike /tmp
    with ExitStack() as stack:
        stack.enter_context(leftovers.register(cache, run_id, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        context = RunContext(run_id, workdir, cache, launcher, request.offline)
        provision = Provision(
            cache,
            offline=request.offline,
            progress=progress.say,
            chosen=request.settings.get("run.tools") or {},
        )
        supplies = Supplies(context, provision, request.settings)
        bench = (
            _in_variants(request, supplies) if request.variants else probe(supplies, choose_runners(request))
        )
        for runner in bench.runners.values():
            stack.callback(runner.close)
        yield bench


def execute(request: Request, progress: Progress) -> Finished:
    """The main job, from plan to report."""
    before = None
    if request.resume:
        request, before = resumed(request)
    limits = request.limits()
    with opened(request, progress, run_id=request.resume) as bench:
        draft = plan(request, bench)
        _need_something(request, draft)
        supplied = provide(request, bench, draft, limits, progress)
        final = before or plan(request, supplied.bench, supplied.missing)
        _need_something(request, final)
        run_dir, interrupted = measure(
            request,
            supplied.bench,
            final,
            supplied.image,
            limits,
            progress,
            supplied.limits,
            supplied.own_images,
        )
        if request.profile and not interrupted:
            profile(supplied.bench, final, supplied.image, limits, run_dir / PROFILES, progress)
    return conclude(request, run_dir, progress, interrupted=interrupted)


def resumed(request: Request) -> tuple[Request, Plan]:
    """What an interrupted run was asked and had planned.

    Raises:
        UsageError: the run's plan is not one that this version can go on with.
    """
    folder = find_run(request.resume, request.settings["run.results_dir"])
    manifest = load_run(folder).manifest
    try:
        asked = manifest.plan["request"]
        again = replace(
            request,
            settings={**asked["settings"], **_places(request.settings), "run.results_dir": folder.parent},
            mode=asked["mode"],
            command=tuple(asked["command"]),
            versions=tuple((name, tuple(words)) for name, words in asked.get("versions", ())),
            variants=tuple((name, dict(settings)) for name, settings in asked.get("variants", ())),
            carry=tuple(map(Path, asked["carry"])),
            resume=manifest.run,
        )
        known = {workload.name: workload for workload in choose_workloads(again)}
        kept = Plan(
            mode=replace(MODES[asked["mode"]], rounds=manifest.plan["rounds"]),
            seed=manifest.seed,
            cases=tuple(Case(known[case["workload"]], case["runner"]) for case in manifest.plan["cases"]),
            skips=(),
            cold_blocks=manifest.plan["cold_blocks"],
            steady_blocks=manifest.plan["steady_blocks"],
            full_blocks=manifest.plan["full_blocks"],
            full_cold_blocks=manifest.plan["full_cold_blocks"],
            estimate_seconds=manifest.plan["estimate_seconds"],
            trials=manifest.plan["trials"],
            reopened=frozenset(manifest.plan["reopened"]),
            experiment_blocks=manifest.plan["experiment_blocks"],
        )
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"run {manifest.run} cannot be resumed: its plan lacks {error}. Start a new run."
        ) from error
    return again, kept


def _places(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in {"run.reports_dir", "run.language"}}


def _need_something(request: Request, plan: Plan) -> None:
    """Refuse to measure the base alone for somebody who asked for other runners only.

    Raises:
        EnvironmentMissing: nothing that was asked for can be measured; the text has each runner's reason and remedy.
    """
    asked = request.settings["run.runners"]
    implied = {BASE, CONTROL} if asked and BASE not in asked else set()
    if not any(case.runner not in implied for case in plan.cases):
        raise EnvironmentMissing(nothing_to_measure(plan))


def nothing_to_measure(plan: Plan) -> str:
    """Why a plan has nothing but skips (and the base), as an error text."""
    reasons = dict.fromkeys(f"{skip.runner}: {skip.reason} {skip.remedy}".strip() for skip in plan.skips)
    return "nothing that was asked for can be measured here.\n  " + "\n  ".join(reasons)


def conclude(request: Request, run_dir: Path, progress: Progress, *, interrupted: bool) -> Finished:
    """Step 6, compare and report."""
    trials = tuple(load_run(run_dir).trials())
    if interrupted or not request.report or not any(trial.outcome == "ok" for trial in trials):
        return Finished(run_dir, trials, None, "", interrupted)
    progress.say("writing the report")
    # Imported only now: pandas and matplotlib must not be in memory while something is measured.
    from tare.bench.analysis.report import report_run  # noqa: PLC0415

    wanted = request.settings
    written = report_run(run_dir, Path(wanted["run.reports_dir"]), language=wanted["run.language"])
    return Finished(run_dir, trials, written.index, written.text, interrupted)
