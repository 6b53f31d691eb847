"""Profile Python workloads in each place (``--profile``), sampled by py-spy.

Profiling comes after the campaign, in places and jobs of its own, so that sampling slows nothing that is measured. No trial
is stored of it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec.structs import replace

from tare.bench.campaign.experiments import lab_of
from tare.bench.campaign.profiled_places import ProfiledRunner, ProfiledSiblings
from tare.bench.campaign.sampling import why_nothing
from tare.bench.workloads.base import Site, Workload
from tare.bench.workloads.command import clean_up_aside, prepare_aside
from tare.reports.model import LANGUAGES, PROFILES
from tare.reports.render.flame_graph import differential, flame_graph
from tare.reports.summaries.profiles import Profile, added, read_samples, speedscope
from tare.reports.text.words import words
from tare.results.record import BASE
from tare.results.said import listed, say
from tare.runners.errors import TareError
from tare.runners.host.endings import exit_or_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tare.bench.campaign.profiled_places import Sampling
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.run import Measured
    from tare.bench.experiments.base import Experiment
    from tare.bench.planning.case import Case
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.reports.summaries.profiles import Stack
    from tare.runners.context import Runner
    from tare.runners.model import JobResult, Place

JOB_SECONDS = 4.0
"""Time for which jobs are profiled: the length of one, or of as many short ones as it takes."""
MOST_ROUNDS = 40
"""Times that a short job is run for its profile."""


class Profiled(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one profile, as ``profiles.json`` lists them. What ran for it is no measured trial."""

    workload: str
    runner: str
    samples: int
    rate_hz: int
    processes: int
    rounds: int
    """Times that the workload was run, each of them outside of the measurement."""
    sampled_from: str
    """``host``, or ``place`` where py-spy ran in the place because the host does not see its processes."""
    files: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """Profiles of a run, and the reasons of those that there are not."""

    folder: Path
    listed: list[Profiled] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def write(self) -> None:
        """Write the list of profiles."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"profiles": msgspec.to_builtins(self.listed), "refused": self.refused}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (self.folder / "profiles.json").write_text(text, encoding="utf-8", errors="backslashreplace")


def profile(
    request: Request, provisioned: Provisioned, plan: Plan, measured: Measured, progress: Progress
) -> None:
    """Profile every Python workload of the plan in a place of each of its runners, if that was asked for.

    The run's folder gets ``profiles/``: a flame graph and speedscope's format for each, differential flame graphs of each
    runner against the base, and ``profiles.json`` with the facts and, for each that is missing, the reason.
    """
    if not request.profile or measured.interrupted:
        return
    cases = [case for case in plan.cases if not case.control and is_profiled(case)]
    if not cases:
        progress.say(
            say(
                "progress.nothing_to_profile",
                "nothing to profile: the plan has neither a Python workload nor a command of your own",
            )
        )
    found = _Found(measured.run_dir / PROFILES)
    for name in dict.fromkeys(case.workload.name for case in cases):
        base: Profile | None = None
        own = [case for case in cases if case.workload.name == name]
        for case in sorted(own, key=lambda one: one.runner != BASE):
            made = _attempt(case, provisioned, found, progress)
            if case.runner == BASE:
                base = made
            elif made and base:
                _compare(name, base, made, found)
    found.write()


def is_profiled(case: Case) -> bool:
    """Tell whether a case can have a profile: a command of the user's, or a job of the suite's Python."""
    workload = case.workload
    return bool(workload.commands) or (workload.kind == "steady" and "python3" in workload.programs)


def _attempt(case: Case, provisioned: Provisioned, found: _Found, progress: Progress) -> Profile | None:
    runner, name = provisioned.runner(case.runner), case.workload.name
    label = runner.label
    progress.say(
        say(
            "progress.profiling", "profiling {name} on {label}, which is not measured", name=name, label=label
        )
    )
    try:
        made, inside = _sample(case, provisioned, progress.say)
    except (TareError, OSError, ValueError) as error:
        found.refused[f"{name}@{runner.label}"] = str(error)
        progress.say(
            say(
                "progress.no_profile",
                "no profile of {name} on {label}: {error}",
                name=name,
                label=label,
                error=error,
            )
        )
        return None
    stem = _stem(name, runner.label)
    files = {f"{stem}.speedscope.json": speedscope(made)}
    for suffix, spoken in _LANGUAGES.items():
        files[f"{stem}{suffix}.svg"] = _encoded(flame_graph(made, name, spoken))
    _write(found.folder, files)
    found.listed.append(
        Profiled(
            workload=name, runner=runner.label, samples=made.samples, rate_hz=made.rate_hz, processes=made.processes,
            rounds=made.rounds, sampled_from="place" if inside else "host", files=tuple(files),
        )
    )  # fmt: skip
    return made


def _compare(name: str, base: Profile, made: Profile, found: _Found) -> None:
    files = {}
    for suffix, spoken in _LANGUAGES.items():
        file = f"{_stem(name, made.label)}.against-{base.label}{suffix}.svg"
        files[file] = _encoded(differential(base, made, name, spoken))
    _write(found.folder, files)
    last = found.listed.pop()
    found.listed.append(msgspec.structs.replace(last, files=(*last.files, *files)))


_LANGUAGES = {"" if language == "en" else f".{language}": words(language) for language in LANGUAGES}
"""What stands between a figure's name and ``.svg`` → the language of its words."""


def _encoded(drawn: str) -> bytes:
    return drawn.encode("utf-8", "backslashreplace")


def _stem(name: str, label: str) -> str:
    return f"{name}@{label}".replace("/", "_")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _sample(case: Case, provisioned: Provisioned, say: Callable[[str], None]) -> tuple[Profile, bool]:
    """Run a case's workload until there is enough of it to see; also return whether py-spy ran in the places.

    Raises:
        TareError: it cannot be run or sampled, or no Python process was seen.
        ValueError: py-spy's document is not understood.
    """
    runner = ProfiledRunner(provisioned.runner(case.runner), provisioned.image_of(case.runner))
    if isinstance(case.workload, Workload):
        rounds = _run_jobs(case.workload, runner, provisioned)
    else:
        rounds = _perform(case.workload, case, runner, provisioned, say)
    read = [_read(one) for one in runner.taken]
    stacks = added(stacks for stacks, _ in read)
    if not stacks:
        raise TareError(
            next((one.sampled.trouble for one in runner.taken if one.sampled.trouble), why_nothing())
        )
    made = Profile(
        label=runner.runner.label,
        stacks=stacks,
        rate_hz=runner.taken[0].sampled.rate_hz,
        processes=sum(processes for _, processes in read),
        rounds=rounds,
    )
    return made, runner.taken[0].sampled.inside


def _read(one: Sampling) -> tuple[Counter[Stack], int]:
    """Read what was sampled in a place; count its processes, beside each of which py-spy may have been started several times."""
    stacks: Counter[Stack] = Counter()
    processes: set[str] = set()
    for document in one.sampled.documents:
        found, seen = read_samples(document, one.hidden)
        stacks.update(found)
        processes |= seen
    return stacks, len(processes)


def _enough(began: float, rounds: int) -> bool:
    return time.monotonic() - began >= JOB_SECONDS or rounds >= MOST_ROUNDS


def _run_jobs(workload: Workload, runner: ProfiledRunner, provisioned: Provisioned) -> int:
    """Run jobs of a steady-state workload in one place; return how many."""
    with provisioned.undo_log.leaving(
        say("left.place", "a place of {name}", name=runner.label), runner.open()
    ) as place:
        site = Site(runner.image, place.root, place.scratch, provisioned.limits.cpus)
        prepare_aside(place, workload.preparation(site), workload.name)
        began, rounds = time.monotonic(), 0
        while not _enough(began, rounds):
            _once(workload, site, place)
            rounds += 1
    return rounds


def _once(workload: Workload, site: Site, place: Place) -> None:
    prepare_aside(place, workload.before(site), workload.name)
    result = place.run(workload.job(site, JOB_SECONDS))
    if why := _failure(workload, result):
        raise TareError(say("profile.job_failed", "the profiled job failed: {why}", why=why))
    clean_up_aside(place, workload.after(site), workload.name)


def _failure(workload: Workload, result: JobResult) -> str:
    if result.error or result.timed_out:
        return result.error or say("command.too_long", "it took too long")
    codes = workload.exit_codes
    if codes is None or result.exit_code in codes:
        return ""
    said = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return listed(
        (exit_or_signal(result.exit_code, result.signal), *(line[:300] for line in said[-1:])), ": "
    )


def _perform(
    experiment: Experiment,
    case: Case,
    runner: ProfiledRunner,
    provisioned: Provisioned,
    say: Callable[[str], None],
) -> int:
    """Perform an experiment in sampled places, servers and all; return how often."""
    lab = lab_of(provisioned, case.runner, JOB_SECONDS, say)
    siblings = ProfiledSiblings(lab.siblings, runner.taken) if lab.siblings else None
    lab = replace(lab, runner=cast("Runner", runner), siblings=siblings)
    began, rounds = time.monotonic(), 0
    while not _enough(began, rounds):
        findings = experiment.perform(lab)
        if findings.failure:
            raise findings.failure
        rounds += 1
    return rounds
