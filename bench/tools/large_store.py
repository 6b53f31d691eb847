"""Measure what history and SQL over a large store cost, on generated runs and in processes of their own.

``python -m tare.bench.tools.large_store [--trials 100M] [--runs 1000]``; ``nox -s large_store`` calls it. The store is a
folder with the columns that pushes would have made; the JSONL, some 800 bytes a trial, is not generated, since nothing
that is measured reads it. In one series a change is planted, which must be found, and no other. Prints times and the
largest resident set beside their targets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tare.results.record import Provenance
from tare.results.stores.columns import column_types, connect, quoted
from tare.results.stores.model import FORMAT, KeptRun, column_name

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKLOADS, RUNNERS = 10, 5
METRICS = ("wall",)
"""Metrics of each trial; the first one is primary."""
PLANTED = ("work-3", "runner-2", "wall")
"""Workload, runner and metric with a change."""
CHANGED_BY, CHANGED_AT = 0.05, 2 / 3
"""Size of the change, and where in the history it is."""
PEAK_BYTES = 1 << 30

_GENERATE = """
COPY (
    SELECT {columns} FROM (
        SELECT trial AS number, 'work-' || (trial % {workloads}) AS workload,
               'runner-' || (trial // {workloads} % {runners}) AS runner, trial // {cells} AS block,
               metric, metric = '{primary}' AS is_primary,
               -- a spread of 2 %, from the sum of two uniform numbers
               {level} * (1 + 0.049 * (random() + random() - 1)) AS value
        FROM range({trials}) AS t(trial), (VALUES {metrics}) AS m(metric)
    )
) TO {path} (FORMAT parquet, COMPRESSION zstd)
"""


def make_store(folder: Path, trials: int, runs: int) -> int:
    """Write markers and columns of so many trials in so many runs; return the bytes of the columns."""

    def write(share: range) -> int:
        with (
            tempfile.TemporaryDirectory(prefix="tare-large-") as scratch,
            connect(Path(scratch)) as connection,
        ):
            # A file is written by one thread; more of them only wait.
            connection.execute("SET threads = 1")
            return sum(_write_run(connection, folder, number, trials // runs, runs) for number in share)

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(write, (range(first, runs, workers) for first in range(workers))))


def _write_run(connection: Any, folder: Path, number: int, trials: int, runs: int) -> int:
    kept = _kept(number, trials)
    marker = folder / kept.names[0]
    marker.parent.mkdir(parents=True)
    marker.write_bytes(msgspec.json.encode(kept))
    size = 0
    for table in ("trials", "metrics"):
        path = folder / column_name(kept, kept.version, table)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The same values every time: of ten thousand stores made by chance, some hold a change that nobody planted.
        connection.execute(f"SELECT setseed({number / runs})")
        connection.execute(_generated(table, kept, path, changed=number >= CHANGED_AT * runs))
        size += path.stat().st_size
    return size


def _kept(number: int, trials: int) -> KeptRun:
    return KeptRun(
        format=FORMAT,
        run=f"20260101-{number:06d}-aaaaa",
        version=f"{trials:014d}-1767225600-{number:012x}-000000",
        name="generated",
        created=f"2026-{1 + number * 12 // 100_000 % 12:02d}-01T00:00:00+00:00",
        mode="default",
        status="complete",
        host_class="generated-2cpu",
        provenance=Provenance(commit=f"{number:040x}"),
        trials=trials,
        files=(),
    )


def _generated(table: str, kept: KeptRun, path: Path, *, changed: bool) -> str:
    workload, runner, metric = PLANTED
    here = f"'work-' || (trial % {WORKLOADS}) = '{workload}' AND metric = '{metric}'"
    here += f" AND 'runner-' || (trial // {WORKLOADS} % {RUNNERS}) = '{runner}'"
    constants = {
        "run": quoted(kept.run), "family": "'generated'", "accelerator": "'none'", "outcome": "'ok'", "control": "false",
        "warmup": "false", "unit": "'s'", "direction": "'lower'", "clock": "'host-monotonic'", "source": "'agent'",
        "samples": "1", "parameters": "'{}'", "context": "'{}'", "reason": "''", "invocation": "block", "position": "0",
        "clock_error": "0", "error": "NULL", "primary": "is_primary",
    }  # fmt: skip
    chosen = (
        f'CAST({constants.get(name, name)} AS {kind}) AS "{name}"'
        for name, kind in column_types(table).items()
    )
    metrics = METRICS if table == "metrics" else METRICS[:1]
    return _GENERATE.format(
        columns=", ".join(chosen),
        workloads=WORKLOADS,
        runners=RUNNERS,
        cells=WORKLOADS * RUNNERS,
        primary=METRICS[0],
        trials=kept.trials,
        metrics=", ".join(f"('{one}')" for one in metrics),
        level=f"CASE WHEN {here} THEN {1 + CHANGED_BY} ELSE 1 END" if changed else "1",
        path=quoted(str(path)),
    )


class Cost(NamedTuple):
    """Cost of a command of ``tare`` in a process of its own, imports included."""

    said: str
    """Its standard output."""
    seconds: float
    peak_bytes: int
    """Largest resident set."""


_AROUND = """
import resource, sys
from tare.bench.__main__ import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def cost_of(*words: str) -> Cost:
    """Run a command and read what it cost."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _AROUND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"tare {words[0]} failed: {done.stderr}")
    return Cost(done.stdout, time.perf_counter() - began, int(done.stderr.split()[-1]) * 1024)


def _print(what: str, cost: Cost, *, right: bool) -> bool:
    met = right and cost.peak_bytes < PEAK_BYTES
    print(  # noqa: T201
        f"{what}: {cost.seconds:.1f} s, {cost.peak_bytes / 2**20:.0f} MiB resident of {PEAK_BYTES >> 20} MiB; "
        f"{'right' if right else 'WRONG'}: {'met' if met else 'MISSED'}"
    )
    return met


def _is_planted(found: Any, runs: int) -> bool:
    """Tell whether the planted change was found, to the run, and no other."""
    changes = [
        (one["workload"], one["runner"], one["metric"], change)
        for one in found["series"]
        for change in one["changes"]
    ]
    expected = next(number for number in range(runs) if number >= CHANGED_AT * runs)
    return [(*change[:3], change[3]["index"]) for change in changes] == [(*PLANTED, expected)]


_SUMMARY = """
SELECT workload, runner, metric, count(*) AS n, avg(value) AS mean, approx_quantile(value, 0.5) AS median, min(value) AS least,
max(value) AS most FROM metrics WHERE outcome = 'ok' AND NOT warmup GROUP BY ALL ORDER BY ALL
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.large_store", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--trials", type=int, default=1_000_000, help="trials (default: 1000000)")
    parser.add_argument("--runs", type=int, default=200, help="runs that they are spread over (default: 200)")
    parser.add_argument("--folder", type=Path, help="where the store is made, and kept (default: temporary)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tare-large-store-") as scratch:
        folder = options.folder or Path(scratch)
        if not (folder / "runs").exists():
            began = time.perf_counter()
            size = make_store(folder, options.trials, options.runs)
            spent = time.perf_counter() - began
            print(f"generated in {spent:.0f} s: {size / 2**20:.0f} MiB of columns", flush=True)  # noqa: T201
        values = options.trials // options.runs * options.runs * len(METRICS)
        where = ("--store", str(folder))
        history = cost_of("history", "--json", "--all-metrics", *where)
        met = _print(
            f"{options.trials} trials ({values} values) in {options.runs} runs searched for changes",
            history,
            right=_is_planted(json.loads(history.said), options.runs),
        )
        summary = cost_of("sql", _SUMMARY, "--json", *where)
        rows = json.loads(summary.said)
        right = sum(row["n"] for row in rows) == values and len(rows) == WORKLOADS * RUNNERS * len(METRICS)
        met &= _print("summarised by SQL", summary, right=right)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
