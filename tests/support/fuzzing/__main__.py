"""Run the fuzzer: ``python -m support.fuzzing --count 10000``; the exit code is 1 if anything was found."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from pathlib import Path
from random import Random

from support.fuzzing.campaign import Finding, run
from support.fuzzing.targets import drawn
from support.paths import ROOT


def main() -> int:
    """Judge inputs and keep those that were not dealt with."""
    parser = argparse.ArgumentParser(
        prog="nox -s fuzz --", description="Mutate what Tare reads, and judge what it makes of it."
    )
    parser.add_argument(
        "--count", type=int, default=10_000, metavar="N", help="number of inputs (default: 10,000)"
    )
    parser.add_argument(
        "--seed", default="", metavar="TEXT", help="repeat the inputs of a run that printed this seed"
    )
    parser.add_argument("--only", type=int, default=None, metavar="NUMBER", help="repeat this one input")
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes (default: one per CPU)"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        default=ROOT / "results/runs/fuzz",
        metavar="FOLDER",
        help="where inputs are kept",
    )
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    numbers = range(given.count) if given.only is None else [given.only]
    print(f"fuzz: seed {seed}, {len(numbers):,} inputs", flush=True)
    start = time.monotonic()
    findings = run(seed, numbers, workers=given.workers)
    for one in findings:
        print(
            f"\n{one.number}: {one.fault}\nkept in {_keep(one, given.keep)}; again: {one.command}", flush=True
        )
    print(
        f"fuzz: {len(findings)} of {len(numbers):,} inputs were not dealt with, {time.monotonic() - start:.0f} s, seed {seed}"
    )
    return 1 if findings else 0


def _keep(one: Finding, folder: Path) -> Path:
    """Make an input again, beside what was found."""
    kept = folder / f"{one.seed}-{one.number}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    chance = Random(f"{one.seed}/{one.number}")  # noqa: S311 - as the worker does
    target = drawn(chance)
    words = target.make(kept, chance)
    (kept / "FAULT").write_text(
        f"{target.name} {words}\n{one.command}\n{one.fault}\n", "utf-8", "backslashreplace"
    )
    return kept


if __name__ == "__main__":
    sys.exit(main())
