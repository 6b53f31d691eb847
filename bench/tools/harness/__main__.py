"""Print the measurement overhead: launches of the suite beside the same launches in plain C and in other container tools.

``python -m tare.bench.tools.harness [--rounds N] [--seed S] [--json]``. In each round, in shuffled order:

* C ``posix_spawn`` + ``waitpid``, against the suite's null launch on ``bare``, in which the agent also opens its
  channel, says hello and answers the null job.
* C ``clone3`` with the same namespaces, ``chroot``, ``execveat`` and ``waitpid``, against the null launch in the full
  ``namespaces`` container, which also has its mounts, limits, capabilities and filter (root only).
* The same null launch in ``namespaces``, against the null launches of other container tools under the same limits.
  crun makes its cgroups itself, where ours are made and entered before ``requested``; so a second row compares whole
  openings by wall clock, with everything in them that the suite does as well.

What C launches is a static ``true`` with libc, as launch floors are commonly given; the targets are for that. Then,
without a target, the agent's own binary with an argument that makes it exit at once: it has no libc and so starts
faster than a C program can, and the second ratio is what is left when that is taken away.

The suite's numbers are taken from its own timelines, ``requested`` to ``gone``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tare.bench.tools.harness.measurement import Measured, measure
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(measured: Measured) -> list[str]:
    """Lay the results out in lines for a person."""
    width = max(len("null launch"), *(len(one.name) for one in measured.ratios))
    lines = [
        f"{'null launch':{width}} {'2nd (ms)':>8} {'1st (ms)':>11} {'ratio':>6}  {'95 % interval':15} {'n':>5}  target"
    ]
    for one in measured.ratios:
        interval = f"{one.low:.2f} … {one.high:.2f}"
        lines.append(
            f"{one.name:{width}} {one.reference_seconds * 1e3:8.3f} {one.suite_seconds * 1e3:11.3f} {one.ratio:6.2f}  "
            f"{interval:15} {one.rounds:5}"
            + (f"  ≤ {one.target:.1f}: {'met' if one.met else 'MISSED'}" if one.target else "")
        )
    for cost in measured.costs:
        number = f"{cost.value / 1024:.0f} KiB" if cost.unit == "bytes" else f"{cost.value * 1e3:.2f} ms"
        limit = "" if not cost.target else ": met" if cost.met else ": MISSED"
        lines.append(f"{cost.name}: {number}{limit}")
    return [*lines, *measured.skipped]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 0 if all targets are met, 1 if one is missed, 3 if nothing can be measured here."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.harness", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--rounds", type=int, default=200, help="how often each launch is measured (default: 200)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the order and of the bootstrap (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        measured = measure(options.rounds, random.Random(options.seed))  # noqa: S311 - an order, not a secret
    except TareError as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(asdict(measured), indent=2))
    else:
        print("\n".join(table(measured)))
    met = all(ratio.met for ratio in measured.ratios) and all(cost.met for cost in measured.costs)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
