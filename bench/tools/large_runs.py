"""Measure what judging large runs costs, on synthetic runs and in processes of their own.

``python -m tare.bench.tools.large_runs [--repeats N]``; ``nox -s large_runs`` calls it. 100,000 trials are compared,
and 1,000,000 loaded and summarised, both from JSONL in a temporary folder. Times are printed beside their targets, the
first reading apart from later ones, which find an index.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tare.results.record import FORMAT_VERSION, Manifest, Metric, Trial
from tare.results.storage.store import RunWriter, new_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKLOADS, RUNNERS = 10, ("bare", "bare-again", "namespaces", "qemu-microvm", "runc")
COMPARED_TRIALS, COMPARED_SECONDS = 100_000, 2.0
LOADED_TRIALS, LOADED_SECONDS, LOADED_BYTES = 1_000_000, 10.0, 1 << 30


def make_run(folder: Path, trials: int, seed: int) -> Path:
    """Write a run of so many trials, each with a primary metric and three others, marks and a context."""
    chance = random.Random(seed)  # noqa: S311 - noise, not a secret
    run = new_run_id()
    manifest = Manifest(
        format=FORMAT_VERSION, run=run, name="synthetic", created="2026-01-01T00:00:00+00:00", mode="default", seed=seed,
        status="running", host={}, context={"cpu.model": "any"}, plan={}, versions={}, image={},
    )  # fmt: skip
    with RunWriter.create(folder, manifest) as writer:
        path = writer.path
        writer.finish("complete")
    encode = msgspec.json.Encoder().encode
    with (path / "trials.jsonl").open("wb") as file:
        for number in range(trials):
            block, cell = divmod(number, WORKLOADS * len(RUNNERS))
            workload, runner = divmod(cell, len(RUNNERS))
            file.write(encode(_trial(run, number, block, workload, RUNNERS[runner], chance)) + b"\n")
    return path


def _trial(run: str, number: int, block: int, workload: int, runner: str, chance: random.Random) -> Trial:
    value = chance.lognormvariate(0, 0.03)

    def of(name: str, unit: str = "s", *, primary: bool = False) -> Metric:
        return Metric(
            name=name,
            value=value,
            unit=unit,
            direction="lower",
            clock="host-monotonic",
            source="agent",
            primary=primary,
        )

    return Trial(
        run=run,
        number=number,
        workload=f"work-{workload}",
        family="synthetic",
        runner=runner,
        accelerator="none",
        block=block,
        outcome="ok",
        control=runner == "bare-again",
        invocation=block,
        parameters={"size": workload},
        at="2026-01-01T00:00:00.000+00:00",
        timeline={"started": number * 1000, "finished": number * 1000 + 900},
        metrics=(of("wall", primary=True), of("cpu.user"), of("cpu.system"), of("memory.peak", "bytes")),
        context={"kernel": "any", "cpus": 2, "memory_bytes": 1 << 30},
    )


_COMPARE = """
from tare.results.storage.load import load_run
from tare.results.judgement.between_runs import compare_runs
found = compare_runs(load_run(sys.argv[1]), load_run(sys.argv[2]))
print(len(found.comparisons), "comparisons")
"""
_SUMMARISE = """
from tare.results.tables.frame import read_frame
from tare.results.storage.load import load_run
from tare.results.statistics.series import good_series, median_of
frame = read_frame(load_run(sys.argv[1]))
loaded = time.perf_counter()
found = [median_of(one, 0.95) for one in good_series(frame).values()]
print(len(found), f"series; loaded after {loaded - began:.2f} s")
"""
_AROUND = """
import resource, sys, time
began = time.perf_counter()
{body}
spent = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(spent, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
"""


class Reading(NamedTuple):
    """Cost of a program in a process of its own, imports included."""

    said: str
    """Output without the last line, which has the costs."""
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Largest resident set."""


def read(body: str, *runs: Path) -> Reading:
    """Run a program over some runs and read what it cost."""
    done = subprocess.run(
        [sys.executable, "-c", _AROUND.format(body=body), *map(str, runs)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    said, figures = done.stdout.strip().rsplit("\n", 1)
    seconds, cpu, peak = figures.split()
    return Reading(said, float(seconds), float(cpu), int(peak))


def _print_best(what: str, readings: Sequence[Reading], limit: float, most_bytes: int) -> bool:
    """Print the fastest reading; return whether it meets the targets (``most_bytes`` 0: none)."""
    said, seconds, cpu, peak = min(readings, key=lambda one: one.wall_seconds)
    ok = seconds < limit and (not most_bytes or peak < most_bytes)
    print(  # noqa: T201
        f"{what}: {seconds:.2f} s of {limit:g} s ({cpu:.2f} s of CPU time), {peak / 2**20:.0f} MiB resident"
        f"{f' of {most_bytes >> 20} MiB' if most_bytes else ''} ({said}): {'met' if ok else 'MISSED'}"
    )
    return ok


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.large_runs", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="readings, 2 or more (default: 3)",
    )
    options = parser.parse_args(arguments)
    met = True
    with tempfile.TemporaryDirectory(prefix="tare-large-runs-", dir=os.environ.get("TARE_WORKDIR")) as name:
        folder = Path(name)
        halves = [make_run(folder, COMPARED_TRIALS // 2, seed) for seed in (1, 2)]
        large = make_run(folder, LOADED_TRIALS, 3)
        size = (large / "trials.jsonl").stat().st_size
        for what, body, runs, limit, bytes_limit in (
            (f"{COMPARED_TRIALS} trials compared", _COMPARE, halves, COMPARED_SECONDS, 0),
            (
                f"{LOADED_TRIALS} trials loaded and summarised",
                _SUMMARISE,
                [large],
                LOADED_SECONDS,
                LOADED_BYTES,
            ),
        ):
            readings = [read(body, *runs) for _ in range(options.repeats)]
            for which, own in (("first", readings[:1]), ("later", readings[1:])):
                met &= _print_best(f"{what}, {which} reading", own, limit, bytes_limit)
        print(f"the large run is {size / 2**20:.0f} MiB of JSONL")  # noqa: T201
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
