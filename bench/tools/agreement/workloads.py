"""Compare workloads with their tools run by hand on bare metal: one metric each, in turn.

``python -m tare.bench.tools.agreement.workloads [--rounds N] [--only A,B]``; ``nox -s agreement -- workloads`` calls it.
In each round every workload runs once as the suite runs it, in a place of the runner ``bare`` with agent and cgroup, and once
by hand: the same command line, started directly, and the number taken from what the tool prints, by a reader of its own.
Disk workloads of the suite's own program are compared with fio.
Where a tool prints none (``dd``, the compiler), the wall time is taken. The order alternates. Both medians have an interval of
95 % from order statistics; a workload agrees where they overlap. The program fails if one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tare.bench.catalogue import by_name
from tare.bench.tools.agreement.by_fio import PROGRAM, fio_job
from tare.bench.workloads.base import Site, Workload
from tare.bench.workloads.disk import Disk
from tare.bench.workloads.python import EXTRA_FILES
from tare.results.statistics.estimates import quantile
from tare.runners import cleanup
from tare.runners.bare import Bare
from tare.runners.context import RunContext
from tare.runners.errors import Missing, TareError
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.inside import image_files
from tare.runners.launcher.client import Launcher
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.runners.images.image import Image
    from tare.runners.model import Job, Place

SECONDS = 0.1
"""Length of a job, unless its shortest is longer."""

LEAST_ROUNDS = 6
"""Fewer values have no interval of 95 % around their median."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """Output of a tool that was run by hand."""

    text: str
    """Everything that it wrote to stdout and stderr."""
    seconds: float
    """Wall time from its start to its end."""


def printed(pattern: str, factor: float = 1.0) -> Callable[[ByHand], float]:
    """Read the last number of that pattern."""
    return lambda done: float(re.findall(pattern, done.text, re.MULTILINE)[-1]) * factor


def counted(name: str, *, inverse: bool = False) -> Callable[[ByHand], float]:
    """Read a line of the suite's own program: operations per second, or seconds of one."""

    def read(done: ByHand) -> float:
        count, took = re.findall(rf"^{name} (\d+) (\d+)$", done.text, re.MULTILINE)[-1]
        return int(took) / 1e9 / int(count) if inverse else int(count) / (int(took) / 1e9)

    return read


def fio(job: str, *path: str, factor: float = 1.0) -> Callable[[ByHand], float]:
    """Read a number of fio's document."""

    def read(done: ByHand) -> float:
        document = json.loads(done.text[done.text.index("{") : done.text.rindex("}") + 1])
        found = next(each for each in document["jobs"] if each["jobname"] == job)
        for key in path:
            found = found[key]
        return float(found) * factor

    return read


def in_json(take: Callable[[dict[str, Any]], float]) -> Callable[[ByHand], float]:
    """Read the document that a program of the suite in Python prints first."""
    return lambda done: take(json.JSONDecoder().raw_decode(done.text.lstrip())[0])


def median_of_histogram(done: ByHand) -> float:
    """Read the median of cyclictest's histogram, in seconds."""
    values = [
        int(at)
        for at, count in re.findall(r"^(\d{6}) (\d{6})$", done.text, re.MULTILINE)
        for _ in range(int(count))
    ]
    return (values[(len(values) - 1) // 2] + 0.5) / 1e6


_SYSBENCH = printed(r"events per second: +(\S+)$")
_MIB = printed(r"\((\S+) MiB/sec\)$", 1 << 20)
_P50 = "percentile", "50.000000"

READERS: dict[str, tuple[str, Callable[[ByHand], float]]] = {
    "cpu": ("sysbench.cpu.printed_rate", _SYSBENCH),
    "cpu-all": ("sysbench.cpu.printed_rate", _SYSBENCH),
    "cpu-float": ("stress-ng.matrix.rate", printed(r"^matrix +\d+ +\S+ +\S+ +\S+ +(\S+) ")),
    "cpu-crypto": ("openssl.rate", printed(r"^\+F:\d+:\S+?:(\S+)$")),
    "cpu-zstd": ("zstd.compress", printed(r"\(x\S+\), +(\S+) MB/s,", 1e6)),
    "cpu-7z": ("7z.rating", printed(r"^Tot: +\d+ +\d+ +(\d+)$", 1e6)),
    "compile": ("compile.seconds", lambda done: done.seconds),
    "memory-write": ("sysbench.memory.write.printed", _MIB),
    "memory-read": ("sysbench.memory.read.printed", _MIB),
    "memory-latency": ("elementary.latency.65536k", counted("chase-67108864", inverse=True)),
    "memory-stream": ("elementary.stream.triad", counted("triad")),
    "memory-fault": ("elementary.fault.rate", counted("fault")),
    "memory-huge": ("elementary.huge.rate", counted("huge")),
    "memory-map": ("elementary.map.rate", counted("map")),
    "syscall": ("dd.syscall.rate", lambda done: 2 * printed(r"^(\d+)\+0 records out")(done) / done.seconds),
    "syscall-null": ("elementary.call.rate", counted("call")),
    "signal": ("elementary.signal.rate", counted("signal")),
    "spawn": ("elementary.spawn.rate", counted("spawn")),
    "pipe": ("elementary.pipe.rate", counted("pipe")),
    "futex": ("elementary.futex.rate", counted("futex")),
    "hackbench": (
        "hackbench.rate",
        lambda done: 100 * printed(r"pass (\d+) messages")(done) / printed(r"^Time: (\S+)$")(done),
    ),
    "timer": ("elementary.sleep.p50", lambda done: printed(r"^late-50 \d+ (\d+)$")(done) / 1e9),
    "timer-rt": ("cyclictest.p50", median_of_histogram),
    "switch": ("stress-ng.switch.rate", printed(r"^switch +\d+ +\S+ +\S+ +\S+ +(\S+) ")),
    "fork": ("stress-ng.fork.rate", printed(r"^fork +\d+ +\S+ +\S+ +\S+ +(\S+) ")),
    "disk-seq": ("elementary.read.bandwidth", fio("read", "read", "bw_bytes")),
    "disk-rand": ("elementary.randread.p50", fio("randread", "read", "clat_ns", *_P50, factor=1e-9)),
    "disk-fsync": ("elementary.fsync.p50", fio("fsync", "sync", "lat_ns", *_P50, factor=1e-9)),
    "disk-randread-4k-q32": ("fio.randread.iops", fio("randread", "read", "iops")),
    "disk-write-128k-q32": ("fio.write.bandwidth", fio("write", "write", "bw_bytes")),
    "disk-files": ("elementary.create.rate", counted("create")),
    "disk-append": ("elementary.append.rate", counted("append")),
    "python": ("python.round", in_json(lambda one: sum(one["seconds"].values()) / one["rounds"])),
    "app-sqlite": (
        "sqlite.transactions.rate",
        in_json(lambda one: len(one["times_ns"]) / (one["elapsed_ns"] / 1e9)),
    ),
}
"""Workload → its metric, and the reader of what the tool prints. Others run one of these tools in another way."""


@dataclass(slots=True)
class Compared:
    """A workload, with what both ways of running it gave."""

    workload: Workload
    suite: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Tell whether the intervals overlap."""
        ours, theirs = (quantile(values, 0.5, 0.95) for values in (self.suite, self.by_hand))
        bounds = (ours.low, ours.high, theirs.low, theirs.high)
        if None in bounds:
            return False
        return bool(ours.low <= theirs.high and theirs.low <= ours.high)  # type: ignore[operator]  # none is None

    def row(self) -> str:
        """Give the row of the table, in Markdown."""
        metric = READERS[self.workload.name][0]
        if self.problem:
            return f"| `{self.workload.name}` | `{metric}` | | | | not compared: {self.problem} |"
        cells = []
        for values in (self.suite, self.by_hand):
            found = quantile(values, 0.5, 0.95)
            cells.append(f"{found.value:.4g} ({found.low:.4g} … {found.high:.4g})")
        ratio = quantile(self.suite, 0.5, 0.95).value / quantile(self.by_hand, 0.5, 0.95).value
        verdict = "yes" if self.agrees else "**no**"
        return f"| `{self.workload.name}` | `{metric}` | {cells[0]} | {cells[1]} | {ratio:.3f} | {verdict} |"


def run_by_hand(job: Job) -> ByHand:
    """Run a job's command line directly: no agent, no place.

    Raises:
        TareError: it fails.
    """
    began = time.monotonic()
    done = subprocess.run(
        job.argv, env=dict(job.environ), cwd=job.directory or None, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, timeout=job.timeout_seconds,
    )  # fmt: skip
    seconds = time.monotonic() - began
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "backslashreplace")
    if done.returncode:
        raise TareError(f"exit status {done.returncode} by hand: {text.strip()[-200:]}")
    return ByHand(text, seconds)


def compare(names: Sequence[str], rounds: int, say: Callable[[str], None]) -> list[Compared]:
    """Run everything in alternating order; what cannot be run says why."""
    cache = default_cache()
    run = f"agreement-{os.getpid()}"
    workdir = Path("/var/tmp", f"tare-{run}")  # noqa: S108 - named for the run
    workloads = [each for name in names if isinstance(each := by_name(name), Workload)]
    found = [Compared(workload) for workload in workloads]
    with ExitStack() as stack:
        stack.enter_context(cleanup.register(cache, run, workdir))
        context = RunContext(run, workdir, cache, stack.enter_context(Launcher.start(cache)))
        image = _image(found, Provision(cache), cache)
        cpus = len(os.sched_getaffinity(0))
        runner = Bare(context)
        runner.prepare(image, Limits(cpus=cpus, memory_bytes=2 << 30, pids=1024, scratch_bytes=1 << 30))
        stack.callback(runner.close)
        place = stack.enter_context(runner.open())
        site = Site(image, place.root, place.scratch, cpus, min(os.sched_getaffinity(0)))
        for number in range(-1, rounds):  # the first round loads the files and is not counted
            for one in found:
                if not one.problem:
                    _round(one, place, site, number)
            say(f"round {number + 1} of {rounds}")
    return found


def _image(found: Sequence[Compared], provision: Provision, cache: Path) -> Image:
    files = {**image_files(cache), **EXTRA_FILES}
    programs: list[str] = []
    for one in found:
        try:
            needed = (*one.workload.programs, *((PROGRAM,) if isinstance(one.workload, Disk) else ()))
            for name in needed:
                provision.tool(name)
        except Missing as error:
            one.problem = error.reason
            continue
        programs += needed
        files |= one.workload.files(cache)
    return build_image(
        ImageContent(programs=list(dict.fromkeys(programs)), extra_files=files), provision, cache
    )


def _round(one: Compared, place: Place, site: Site, number: int) -> None:
    """Run a workload both ways, in an order that alternates from round to round."""
    workload = one.workload
    metric, reader = READERS[workload.name]
    seconds = max(SECONDS, workload.shortest_seconds)
    job = workload.job(site, seconds)
    by_hand = fio_job(workload, site, seconds) if isinstance(workload, Disk) else job
    before = workload.preparation(site)
    try:
        if before is not None and number < 0:
            place.run(before)
        for suite in (True, False) if number % 2 else (False, True):
            if suite:
                result = place.run(job)
                if result.exit_code:
                    raise TareError(f"exit status {result.exit_code}: {result.stderr[-200:]!r}")  # noqa: TRY301
                value = next(each.value for each in workload.metrics(result) if each.name == metric)
            else:
                value = reader(run_by_hand(by_hand))
            if number >= 0:
                (one.suite if suite else one.by_hand).append(value)
    except (TareError, OSError, LookupError, ValueError, subprocess.TimeoutExpired) as error:
        one.problem = str(error)[:200]


def main() -> int:
    """Compare, print the table, and return 1 if a workload does not agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help=f"at least {LEAST_ROUNDS} (default: 12)")
    parser.add_argument("--only", default="", help="names of workloads, separated by commas")
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name] or list(READERS)
    unknown = [name for name in names if name not in READERS]
    if unknown or arguments.rounds < LEAST_ROUNDS:
        parser.error(f"--only knows {', '.join(READERS)}; --rounds is {LEAST_ROUNDS} or more")
    try:
        found = compare(names, arguments.rounds, lambda line: print(line, file=sys.stderr))
    except TareError as error:
        print(f"agreement: {error}", file=sys.stderr)
        return 3
    print(
        "| workload | metric | by the suite (95 %) | by hand (95 %) | ratio | agree |\n|---|---|---|---|---|---|"
    )
    for one in found:
        print(one.row())
    return int(any(not one.problem and not one.agrees for one in found))


if __name__ == "__main__":
    sys.exit(main())
