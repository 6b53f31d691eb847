"""The harness weighs itself: what the suite's launches cost beside the same launches in plain C.

``python -m tare.bench.tools.harness [--rounds N] [--seed S] [--json]``. In each round, in shuffled order:

* C ``posix_spawn`` + ``waitpid``, against the suite's null launch on ``bare``, in which the agent also opens its
  channel, says hello and answers the null job.
* C ``clone3`` with the same namespaces, ``chroot``, ``execveat`` and ``waitpid``, against the null launch in the full
  ``namespaces`` container, which also has its mounts, limits, capabilities and filter (root only).

* The same null launch in ``namespaces``, against the null launches of other container tools (:data:`PEERS`) under the
  same limits. crun makes its cgroups itself, where ours are made and entered before ``requested``; so a second row
  compares whole openings by wall clock, with everything in them that the suite does as well.

What C launches is a static ``true`` with libc, as launch floors are commonly given; the targets are for that. Then,
without a target, the agent's own binary with an argument that makes it leave at once: it has no libc and so starts
faster than a C program can, and the second ratio is what is left when that is taken away.

The suite's numbers are its own timelines', ``requested`` to ``gone``. Between launches is a pause: the kernel takes
net namespaces apart behind one's back, and that work would be charged to whoever comes next.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners import cleanup as leftovers
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
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import make
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.runners.context import Runner

REFERENCE = Path(__file__).with_name("harness_reference.c")
TRUE = Path(__file__).with_name("harness_true.c")
TARGETS = {"bare": 1.2, "namespaces": 1.6}
OURS = "namespaces"
PEERS = ("crun", "bubblewrap")
"""Our full container has to start faster than these."""
RESIDENT_TARGET_BYTES = 20 << 20
HELP_TARGET_SECONDS = 0.3
PAUSE_SECONDS = 0.005
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison. Times are medians in seconds."""

    name: str
    reference_seconds: float
    suite_seconds: float
    ratio: float
    low: float
    high: float
    """95 % bootstrap interval of the ratio, over rounds."""
    rounds: int
    target: float = 0.0

    @property
    def met(self) -> bool:
        """Whether the ratio itself is within the target, if there is one."""
        return not self.target or self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that has a limit, or none (0)."""

    name: str
    value: float
    unit: str
    target: float = 0.0

    @property
    def met(self) -> bool:
        """Whether it is below its limit."""
        return not self.target or self.value <= self.target


def compare(
    name: str, reference: Sequence[float], suite: Sequence[float], target: float, chance: random.Random
) -> Ratio:
    """Ratio of medians; percentile bootstrap over rounds, so that what a round shares stays together (Efron 1979)."""
    rounds = len(reference)
    ratios = []
    for _ in range(RESAMPLES):
        picked = chance.choices(range(rounds), k=rounds)
        ratios.append(
            statistics.median(suite[i] for i in picked) / statistics.median(reference[i] for i in picked)
        )
    ratios.sort()
    low, high = (ratios[round(share * (RESAMPLES - 1))] for share in (0.025, 0.975))
    ours, theirs = statistics.median(suite), statistics.median(reference)
    return Ratio(name, theirs, ours, ours / theirs, low, high, rounds, target)


class Reference:
    """The running C program."""

    def __init__(self, program: Path, root: Path, launched: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [program, launched, root, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def launch(self, mode: bytes) -> float:
        """Seconds of one launch; ``s`` or ``c``, see the program."""
        assert self._process.stdin is not None  # noqa: S101 - both are pipes, see above
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(mode)
        line = self._process.stdout.readline().decode()
        if not line.strip().isdigit():
            raise TareError(f"the reference program failed: {line.strip() or 'it ended'}")
        return int(line) / 1e9

    def close(self) -> None:
        """End it."""
        with self._process:
            pass


def compile_c(source: Path, folder: Path, *flags: str) -> Path:
    """The program made of a C source with libc."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise TareError(
            "the harness compares with C programs; install a compiler: `apt-get install gcc libc6-dev`"
        )
    program = folder / source.stem
    done = subprocess.run(
        [compiler, "-O2", *flags, "-o", program, source], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TareError(
            f"cannot compile {source.name}: {done.stderr.strip()}; try `apt-get install libc6-dev`"
        )
    return program


def null_launch(runner: Runner, whole: list[float]) -> float:
    """Seconds from ``requested`` to ``gone`` of a place that did the null job; ``whole`` gets those of all of it."""
    job = Job()
    began = time.perf_counter()
    with runner.open(first=job) as place:
        place.run(job)
    whole.append(time.perf_counter() - began)
    return (place.timeline["gone"] - place.timeline["requested"]) / 1e9


def measure(rounds: int, chance: random.Random) -> tuple[list[Ratio], list[Figure], list[str]]:
    """Take all measurements, and leave nothing behind; also says what was not measured, and why."""
    cache = default_cache()
    run = f"harness-{os.getpid()}"
    workdir = Path(os.environ.get("TARE_WORKDIR", "/var/tmp")) / f"tare-{run}"  # noqa: S108 - disk-backed
    limits = Limits(cpus=os.cpu_count() or 1, memory_bytes=1 << 30)
    with ExitStack() as stack:
        stack.enter_context(leftovers.register(cache, run, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        tree = workdir / "tree"
        tree.mkdir()
        shutil.copy(build(AGENT_SOURCE, cache), tree / "tare-agent")
        image = Image(key="harness", tree=tree, layers=(), programs={}, libraries={})
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=workdir)))
        program = compile_c(REFERENCE, folder)
        true = Reference(program, tree, compile_c(TRUE, folder, "-static"))
        agent = Reference(program, tree, image.agent, "--self-check")
        stack.callback(true.close)
        stack.callback(agent.close)
        context = RunContext(run, workdir, cache, launcher)
        modes: dict[str, Callable[[], float]] = {}
        whole: dict[str, list[float]] = defaultdict(list)
        skipped: list[str] = []

        def add(name: str, runner: Runner, mode: bytes = b"") -> None:
            runner.prepare(image, limits)
            stack.callback(runner.close)
            if mode:
                modes[f"true for {name}"] = lambda: true.launch(mode)
                modes[f"agent for {name}"] = lambda: agent.launch(mode)
            modes[name] = lambda: null_launch(runner, whole[name])

        add("bare", Bare(context), b"s")
        root = os.getuid() == 0
        if not root:
            skipped.append(f"{OURS} / C: skipped, the reference's namespaces need root; run as root")
        add(OURS, Namespaces(context), b"c" if root else b"")
        for name in PEERS:
            provision = Provision(cache, progress=lambda line: print(line, file=sys.stderr))
            try:
                add(name, make(name, Supplies(context, provision, RunnerSettings())))
            except TareError as error:
                skipped.append(f"{OURS} / {name}: skipped, {error}")
        times = interleave(modes, rounds, chance)
        figures = [
            Figure("launcher's resident memory", launcher.resident_bytes(), "bytes", RESIDENT_TARGET_BYTES),
            Figure("tare --help", median_of(help_seconds, 5), "s", HELP_TARGET_SECONDS),
            Figure(
                "making and removing a place's cgroups, not in bare's timeline",
                median_of(lambda: cgroup_seconds(run, limits), 20),
                "s",
            ),
        ]
        ratios = [
            compare(f"{name} / C, {what}", times[f"{what} for {name}"], times[name], target, chance)
            for what, targets in (("true", TARGETS), ("agent", dict.fromkeys(TARGETS, 0.0)))
            for name, target in targets.items()
            if f"{what} for {name}" in times
        ]
        for name in filter(times.__contains__, PEERS):
            ratios.append(compare(f"{OURS} / {name}", times[name], times[OURS], 1.0, chance))
            theirs, ours = whole[name][-rounds:], whole[OURS][-rounds:]
            ratios.append(compare(f"{OURS} / {name}, whole openings", theirs, ours, 1.0, chance))
    return ratios, figures, skipped


def interleave(
    modes: dict[str, Callable[[], float]], rounds: int, chance: random.Random
) -> dict[str, list[float]]:
    """Each mode once a round, in shuffled order; one round before is not counted."""
    times: dict[str, list[float]] = {name: [] for name in modes}
    names = list(modes)
    for number in range(-1, rounds):
        chance.shuffle(names)
        for name in names:
            time.sleep(PAUSE_SECONDS)
            taken = modes[name]()
            if number >= 0:
                times[name].append(taken)
    return times


def median_of(action: Callable[[], float], count: int) -> float:
    """Median of so many."""
    return statistics.median(action() for _ in range(count))


def help_seconds() -> float:
    """Wall time of ``tare --help``."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tare", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def cgroup_seconds(run: str, limits: Limits) -> float:
    """Wall time of making a place's cgroups and removing them again."""
    cgroups = Cgroups.detect()
    began = time.perf_counter()
    cgroups.create(run, "weighed", limits).remove()
    return time.perf_counter() - began


def table(ratios: Sequence[Ratio], figures: Sequence[Figure], skipped: Sequence[str]) -> list[str]:
    """Lines for people."""
    width = max(len("null launch"), *(len(one.name) for one in ratios))
    lines = [
        f"{'null launch':{width}} {'2nd (ms)':>8} {'1st (ms)':>11} {'ratio':>6}  {'95 % interval':15} {'n':>5}  target"
    ]
    for one in ratios:
        interval = f"{one.low:.2f} … {one.high:.2f}"
        lines.append(
            f"{one.name:{width}} {one.reference_seconds * 1e3:8.3f} {one.suite_seconds * 1e3:11.3f} {one.ratio:6.2f}  "
            f"{interval:15} {one.rounds:5}"
            + (f"  ≤ {one.target:.1f}: {'met' if one.met else 'MISSED'}" if one.target else "")
        )
    for figure in figures:
        number = (
            f"{figure.value / 1024:.0f} KiB" if figure.unit == "bytes" else f"{figure.value * 1e3:.2f} ms"
        )
        limit = "" if not figure.target else ": met" if figure.met else ": MISSED"
        lines.append(f"{figure.name}: {number}{limit}")
    return [*lines, *skipped]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all targets met, 1: one is missed, 3: it cannot be measured here."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.harness", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--rounds", type=int, default=200, help="how often each launch is measured (default: 200)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order and of the bootstrap (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        ratios, figures, skipped = measure(options.rounds, random.Random(options.seed))  # noqa: S311 - an order, not a secret
    except TareError as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        rows = {"ratios": list(map(asdict, ratios)), "figures": list(map(asdict, figures))}
        print(json.dumps({**rows, "skipped": skipped}, indent=2))
    else:
        print("\n".join(table(ratios, figures, skipped)))
    met = [one.met for one in ratios] + [one.met for one in figures]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
