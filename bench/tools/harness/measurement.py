"""Measure launches of the suite, of C programs and of other container tools, in turn."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.tools.harness.comparison import Cost, LaunchRatio, compare
from tare.bench.tools.harness.reference import REFERENCE, TRUE, Reference, compile_c
from tare.runners import cleanup
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.context import RunContext, Supplies
from tare.runners.errors import TareError
from tare.runners.host.cgroups.layout import Cgroups
from tare.runners.images.build import AGENT_SOURCE
from tare.runners.images.image import Image
from tare.runners.launcher.client import Launcher
from tare.runners.model import Job, Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache, work_parent
from tare.runners.provision.tools import Provision
from tare.runners.registry import make
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tare.runners.context import Runner

TARGETS = {"bare": 1.2, "namespaces": 1.6}
"""Runner → largest ratio of its null launch to the C program's launch of ``true``."""
OURS = "namespaces"
OTHER_TOOLS = ("crun", "bubblewrap")
"""Container tools that our full container has to start faster than."""
RESIDENT_TARGET_BYTES = 20 << 20
HELP_TARGET_SECONDS = 0.3
PAUSE_SECONDS = 0.005
"""Between launches. Network namespaces are destroyed asynchronously; the pause keeps that cost out of the next one."""


@dataclass(slots=True)
class Contest:
    """Everything that is launched in a round, by name, and how."""

    image: Image
    limits: Limits
    stack: ExitStack
    """Closes the runners."""
    launches: dict[str, Callable[[], float]] = field(default_factory=dict)
    """Name → launch once and return the seconds."""
    whole: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Name of a runner → seconds of whole openings, with what the suite does before ``requested``."""
    skipped: list[str] = field(default_factory=list)
    """Comparisons that are not made here and why, one line each."""

    def add_runner(self, name: str, runner: Runner) -> None:
        """Prepare a runner and let its null launch take part."""
        runner.prepare(self.image, self.limits)
        self.stack.callback(runner.close)
        self.launches[name] = lambda: null_launch(runner, self.whole[name])

    def add_references(self, name: str, mode: bytes, references: dict[str, Reference]) -> None:
        """Let the reference programs launch in the way that is compared with a runner's."""
        for what, reference in references.items():
            self.launches[f"{what} for {name}"] = partial(reference.launch, mode)


@dataclass(frozen=True, slots=True)
class Measured:
    """All comparisons and costs, and what was not measured."""

    ratios: list[LaunchRatio]
    costs: list[Cost]
    skipped: list[str]


def measure(rounds: int, chance: random.Random) -> Measured:
    """Take all measurements, and leave nothing behind."""
    cache = default_cache()
    run = f"harness-{os.getpid()}"
    workdir = work_parent() / f"tare-{run}"
    limits = Limits(cpus=os.cpu_count() or 1, memory_bytes=1 << 30)
    with ExitStack() as stack:
        stack.enter_context(cleanup.register(cache, run, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        context = RunContext(run, workdir, cache, launcher)
        contest = Contest(_image(workdir, cache), limits, stack)
        _fill(contest, context)
        times = interleave(contest.launches, rounds, chance)
        costs = [
            Cost("launcher's resident memory", launcher.resident_bytes(), "bytes", RESIDENT_TARGET_BYTES),
            Cost("tare --help", median_of(help_seconds, 5), "s", HELP_TARGET_SECONDS),
            Cost(
                "making and removing a place's cgroups, not in bare's timeline",
                median_of(lambda: cgroup_seconds(run, limits), 20),
                "s",
            ),
        ]
        return Measured(_ratios(contest, times, rounds, chance), costs, contest.skipped)


def _image(workdir: Path, cache: Path) -> Image:
    tree = workdir / "tree"
    tree.mkdir()
    shutil.copy(build(AGENT_SOURCE, cache), tree / "tare-agent")
    return Image(key="harness", tree=tree, layers=(), programs={}, libraries={})


def _fill(contest: Contest, context: RunContext) -> None:
    """Compile the references, make the runners, and say what is left out."""
    references = _references(contest, context)
    contest.add_references("bare", b"s", references)
    contest.add_runner("bare", Bare(context))
    if os.getuid() == 0:
        contest.add_references(OURS, b"c", references)
    else:
        contest.skipped.append(f"{OURS} / C: skipped, the reference's namespaces need root; run as root")
    contest.add_runner(OURS, Namespaces(context))
    for name in OTHER_TOOLS:
        provision = Provision(context.cache, progress=lambda line: print(line, file=sys.stderr))  # noqa: T201
        try:
            contest.add_runner(name, make(name, Supplies(context, provision, RunnerSettings())))
        except TareError as error:
            contest.skipped.append(f"{OURS} / {name}: skipped, {error}")


def _references(contest: Contest, context: RunContext) -> dict[str, Reference]:
    """Start a reference program for each thing to launch: a C ``true``, and the suite's own agent."""
    folder = Path(contest.stack.enter_context(tempfile.TemporaryDirectory(dir=context.workdir)))
    program, tree = compile_c(REFERENCE, folder), contest.image.tree
    references = {
        "true": Reference(program, tree, compile_c(TRUE, folder, "-static")),
        "agent": Reference(program, tree, contest.image.agent, "--self-check"),
    }
    for reference in references.values():
        contest.stack.callback(reference.close)
    return references


def _ratios(
    contest: Contest, times: dict[str, list[float]], rounds: int, chance: random.Random
) -> list[LaunchRatio]:
    ratios = [
        compare(f"{name} / C, {what}", times[f"{what} for {name}"], times[name], target, chance)
        for what, targets in (("true", TARGETS), ("agent", dict.fromkeys(TARGETS, 0.0)))
        for name, target in targets.items()
        if f"{what} for {name}" in times
    ]
    for name in filter(times.__contains__, OTHER_TOOLS):
        ratios.append(compare(f"{OURS} / {name}", times[name], times[OURS], 1.0, chance))
        theirs, ours = contest.whole[name][-rounds:], contest.whole[OURS][-rounds:]
        ratios.append(compare(f"{OURS} / {name}, whole openings", theirs, ours, 1.0, chance))
    return ratios


def null_launch(runner: Runner, whole: list[float]) -> float:
    """Do the null job in a new place; return the seconds from ``requested`` to ``gone``.

    ``whole`` gets the seconds of the entire opening.
    """
    job = Job()
    began = time.perf_counter()
    with runner.open(first=job) as place:
        place.run(job)
    whole.append(time.perf_counter() - began)
    return (place.timeline["gone"] - place.timeline["requested"]) / 1e9


def interleave(
    launches: dict[str, Callable[[], float]], rounds: int, chance: random.Random
) -> dict[str, list[float]]:
    """Launch each once a round, in shuffled order; one more round comes first and is not counted."""
    times: dict[str, list[float]] = {name: [] for name in launches}
    names = list(launches)
    for number in range(-1, rounds):
        chance.shuffle(names)
        for name in names:
            time.sleep(PAUSE_SECONDS)
            taken = launches[name]()
            if number >= 0:
                times[name].append(taken)
    return times


def median_of(action: Callable[[], float], count: int) -> float:
    """Return the median of ``count`` readings."""
    return statistics.median(action() for _ in range(count))


def help_seconds() -> float:
    """Run ``tare --help`` and return its wall time in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tare", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def cgroup_seconds(run: str, limits: Limits) -> float:
    """Make a place's cgroups and remove them again; return the wall time in seconds."""
    cgroups = Cgroups.detect()
    began = time.perf_counter()
    cgroups.create(run, "overhead", limits).remove()
    return time.perf_counter() - began
