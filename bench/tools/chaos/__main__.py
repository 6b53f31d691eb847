"""Run the chaos session: ``python -m tare.bench.tools.chaos``; prints its table as Markdown. Exit code 1 on any fault."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tare.bench.tools.chaos import hostile, kills, traces
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNNERS = ("bare", "namespaces", "qemu-microvm")


def main() -> int:
    """Kill runs, measure hostile jobs, and print both tables."""
    parser = argparse.ArgumentParser(
        prog="nox -s chaos --", description="Kill runs, and measure hostile jobs."
    )
    parser.add_argument("--kills", type=int, default=60, metavar="N", help="number of kills (default: 60)")
    parser.add_argument(
        "--kinds", default=",".join(hostile.KINDS), metavar="A,B", help="hostile kinds; empty: none"
    )
    parser.add_argument(
        "--runners", default=",".join(RUNNERS), metavar="A,B", help=f"default: {','.join(RUNNERS)}"
    )
    parser.add_argument(
        "--seed", default="", metavar="TEXT", help="repeat the victims and moments of another session"
    )
    parser.add_argument("--base", type=Path, default=None, metavar="DIR", help="folder to work in; kept")
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    base = given.base or Path(tempfile.mkdtemp(prefix="tare-chaos-", dir="/var/tmp"))
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o755)
    print(f"chaos: seed {seed}, in {base}", file=sys.stderr, flush=True)
    runners = given.runners.split(",")
    begin = time.monotonic()
    wrong = _kill(given.kills, runners, base, Random(seed)) if given.kills else 0  # noqa: S311
    if given.kinds:
        wrong += _attack(given.kinds.split(","), runners, base)
    print(f"\n{wrong} faults in {time.monotonic() - begin:.0f} s, seed {seed}.", flush=True)
    return 1 if wrong else 0


def _kill(count: int, runners: Sequence[str], base: Path, chance: Random) -> int:
    folder = base / "kills"
    folder.mkdir(exist_ok=True)
    print("| kill | runner | killed | after | trials kept | then |\n|---:|---|---|---:|---:|---|", flush=True)
    wrong = 0
    # Guests take ten times as long: two of five kills hit each of the others, one a guest.
    others = [each for each in runners if not each.startswith("qemu")]
    turn = [*others, *runners]
    for one in kills.kill_runs(count, turn, folder, chance):
        wrong += bool(one.faults)
        then = "; ".join(one.faults) or ("resumed, clean" if one.trials >= 0 else "nothing begun, clean")
        print(
            f"| {one.number + 1} | {one.runner} | {one.victim} | {one.seconds:.2f} s | {max(one.trials, 0)} | {then} |",
            flush=True,
        )
    return wrong


def _attack(kinds: Sequence[str], runners: Sequence[str], base: Path) -> int:
    folder = base / "hostile"
    folder.mkdir(exist_ok=True)
    before, links = traces.sysctls(), traces.links()
    print("\n| job | in | recorded | host |\n|---|---|---|---|", flush=True)
    wrong = 0
    try:
        for one in hostile.attack(runners, kinds, folder):
            left = traces.left("tare-chaos-", (), before, links)
            faults = [*one.faults, *(each for each in left if str(base) not in each)]
            wrong += bool(faults)
            print(
                f"| {one.kind} | {one.runner} | {'; '.join(one.outcomes)} | {'; '.join(faults) or 'clean'} |",
                flush=True,
            )
    except TareError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return wrong + 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
