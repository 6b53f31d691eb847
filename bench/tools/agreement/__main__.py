"""Compare applications on bare metal with their tools run by hand: ``python -m tare.bench.tools.agreement``.

Both are run in turn, in one process, several times. They agree if the interval of their ratio has 1 in it, or lies within
±5 %. Exit code 1: they do not.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.experiments.applications import APPLICATIONS
from tare.bench.experiments.applications.cpus import split_cpus
from tare.bench.experiments.base import Lab
from tare.bench.measurable import CrowdSettings
from tare.bench.planning.siblings import Siblings
from tare.bench.tools.agreement.applications import Hand, nginx_by_hand, postgres_by_hand, redis_by_hand
from tare.bench.tools.agreement.judgement import agreement
from tare.runners import cleanup
from tare.runners.bare import Bare
from tare.runners.context import RunContext, Supplies
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.launcher.client import Launcher
from tare.runners.model import Limits
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

BY_HAND: dict[str, Callable[[Hand], float]] = {
    "app-redis": redis_by_hand,
    "app-nginx": nginx_by_hand,
    "app-postgres": postgres_by_hand,
}


def main() -> int:
    """Run both in turn and print one row for each application."""
    parser = argparse.ArgumentParser(
        prog="nox -s agreement --", description="Compare with tools run by hand."
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="rounds of both (default: 9)")
    parser.add_argument("names", nargs="*", default=list(BY_HAND), metavar="NAME", help=", ".join(BY_HAND))
    given = parser.parse_args()
    cache, run = default_cache(), f"agreement-{secrets.token_hex(4)}"
    workdir = Path("/var/tmp", f"tare-{run}")  # noqa: S108 - disk-backed, unlike /tmp
    limits = Limits(cpus=len(os.sched_getaffinity(0)), memory_bytes=1 << 30)
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    with cleanup.register(cache, run, workdir), Launcher.start(cache) as launcher:
        context = RunContext(run, workdir, cache, launcher)
        provision = Provision(cache, progress=say)
        siblings = Siblings(Supplies(context, provision, RunnerSettings()))
        image = build_image(ImageContent(), provision, cache, progress=say)
        with closing(siblings), closing(Bare(context)) as runner:
            lab = Lab(runner, image, limits, context, provision, CrowdSettings(), 0.05, say, siblings)
            print(
                "| application | by hand | by the suite | ratio | 95 % | |\n|---|---:|---:|---:|---|---|",
                flush=True,
            )
            agreeing = [_compare(name, lab, given.rounds) for name in given.names]
            return 0 if all(agreeing) else 1


def _compare(name: str, lab: Lab, rounds: int) -> bool:
    """Print the row of one application; tell whether they agree."""
    application = next(one for one in APPLICATIONS if one.name == name)
    hand = Hand(lab.provision, *split_cpus(lab.limits, os.sched_getaffinity(0)))
    by_hand, by_suite = [], []
    for number in range(rounds):
        for which in ("hand", "suite") if number % 2 else ("suite", "hand"):
            if which == "hand":
                by_hand.append(BY_HAND[name](hand))
            else:
                metrics = application.perform(lab).metrics
                by_suite.append(next(one.value for one in metrics if one.primary))
    one = agreement(by_hand, by_suite)
    row = "| {} | {:.0f}/s | {:.0f}/s | {:.3f} | {:.3f} to {:.3f} | {} |"
    middle = statistics.median(by_hand), statistics.median(by_suite)
    verdict = "agree" if one.agrees else "DIFFER"
    print(row.format(name, *middle, one.ratio, one.low, one.high, verdict), flush=True)
    return one.agrees


if __name__ == "__main__":
    raise SystemExit(main())
