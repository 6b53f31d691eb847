"""Compare the suite's start-up times with hyperfine's on the same commands, interleaved.

    python3 noxfile.py -s hyperfine -- [--runners runc,crun,docker] [--blocks 10] [--starts 6]

For each runner, hyperfine (of the host, else fetched) times the very command line that the suite starts, such as
``runc … run --bundle … tare-…``. In each block both take the same number of starts, in shuffled order; the first block
is a warm-up. A block's median counts as one unit; the estimates are Hodges and Lehmann's over blocks with their exact
95 % intervals, the same for both. They agree if the intervals overlap.

Before each start both sides pause: what came before decides how warm the caches are, how soon the scheduler gives the
CPU on a busy host, and whether the kernel still takes a net namespace apart. Without, hyperfine's starts would follow
each other at once, and the suite's its own work for the next place.

What differs by design: hyperfine's command finds its root mounted, while the suite's mounts one for each place, in the
timeline. The table has what that takes, measured beside; nothing is subtracted. And the suite's agent answers the null
job before it leaves, where hyperfine's sees the end of its input at once. hyperfine forks itself, the suite's launcher
clones a small process.

Exit status: 0 if all agree, 1 if one does not, 3 if nothing could be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shlex
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tare.results.statistics.estimates import one_sample
from tare.results.storage.store import new_run_id
from tare.runners import cleanup as leftovers
from tare.runners.context import RunContext, Supplies
from tare.runners.errors import TareError
from tare.runners.host.cgroups.group import discard
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.launcher.client import Launcher
from tare.runners.launcher.processes import SpawnRequest
from tare.runners.model import Job, Limits
from tare.runners.places.rooted import RootedRunner
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.registry import make

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tare.runners.context import Runner
    from tare.runners.images.image import Image
    from tare.runners.places.commanded import CommandPlan
    from tare.runners.provision.tools import Tool

LIMITS = Limits(cpus=os.cpu_count() or 1, memory_bytes=1 << 30)
HYPERFINE_SECONDS = 300.0
PAUSE_SECONDS = 0.02


@dataclass
class Contestant:
    """A runner, its command as hyperfine gets it, and what both measured: medians of blocks, in seconds."""

    runner: Runner
    command: CommandPlan
    suite: list[float] = field(default_factory=list)
    hyperfine: list[float] = field(default_factory=list)
    mounting: list[float] = field(default_factory=list)
    """What the launcher's child does before it is the command."""


def say(line: str) -> None:
    """On stderr: stdout is for the table."""
    print(line, file=sys.stderr)


def contestant(runner: Runner, image: Image) -> Contestant:
    """The runner, ready.

    Raises:
        TareError: it does not work here.
    """
    probe = runner.probe()
    if not probe.ok:
        raise TareError(f"{probe.reason}; {probe.remedy}")
    runner.prepare(image, LIMITS)
    return Contestant(runner, command_of(runner))


def by_the_suite(runner: Runner, starts: int) -> list[float]:
    """Seconds from ``requested`` to ``gone`` of so many cold starts."""
    job, times = Job(), []
    for _ in range(starts):
        time.sleep(PAUSE_SECONDS)
        with runner.open(first=job) as place:
            place.run(job)
        times.append((place.timeline["gone"] - place.timeline["requested"]) / 1e9)
    return times


def command_of(runner: Runner) -> CommandPlan:
    """The command of a place that does not exist, with all that it needs on disk."""
    if isinstance(runner, RootedRunner):
        plan = runner.next_plan()
    else:
        with runner.open(first=Job()) as place:
            place.run(Job())
        plan = place.plan  # type: ignore[attr-defined]
    (plan.context.workdir / "places" / plan.name / "scratch").mkdir(parents=True, exist_ok=True)
    return plan


def by_hyperfine(tool: Tool, plan: CommandPlan, starts: int, folder: Path) -> list[float]:
    """Times of so many runs. hyperfine itself runs where the suite's command would: behind the same steps."""
    times, log = folder / "times.json", folder / "hyperfine.log"
    argv = tool.argv("--shell=none", "--style=none", "--runs", str(starts), "--export-json", str(times))
    argv += ("--prepare", f"sleep {PAUSE_SECONDS}")
    cgroup = plan.made_cgroup()
    with ExitStack() as stack:
        if cgroup:
            stack.callback(discard, cgroup)
        output = stack.enter_context(log.open("w"))
        spawned = plan.launcher.spawn(
            SpawnRequest(
                (*argv, shlex.join(plan.argv)),
                environ={**plan.environ, "TARE_RUN": plan.context.run},
                fds={1: output.fileno(), 2: output.fileno()},
                steps=plan.steps,
                cgroup=cgroup.unified if cgroup else None,
                tasks=tuple(cgroup.tasks) if cgroup else (),
            )
        )
        gone = plan.launcher.wait(spawned.id, HYPERFINE_SECONDS)
    if gone is None or gone.exit_code:
        plan.launcher.kill(spawned.id)
        raise TareError(f"hyperfine failed with {shlex.join(plan.argv)}: {log.read_text()[-500:]}")
    return list(json.loads(times.read_text())["results"][0]["times"])


def by_mounting(plan: CommandPlan, starts: int, agent: Path) -> list[float]:
    """What the plan's steps take: the agent, told to leave at once, with them and without."""
    times = []
    for _ in range(starts):
        taken = []
        for steps in (plan.steps, ()):
            request = SpawnRequest((str(agent), "--self-check"), steps=steps, quiet=True)
            spawned = plan.launcher.spawn(request)
            gone = plan.launcher.wait(spawned.id)
            assert gone is not None  # noqa: S101 - it was waited for without a limit
            taken.append((gone.gone_ns - spawned.requested_ns) / 1e9)
        times.append(taken[0] - taken[1])
    return times


def row(one: Contestant) -> tuple[str, bool]:
    """A line of the table, and whether the two agree."""
    suite, other = one_sample(one.suite, 0.95), one_sample(one.hyperfine, 0.95)
    ratio = one_sample([math.log(a / b) for a, b in zip(one.suite, one.hyperfine, strict=True)], 0.95)
    limits = (suite.low, suite.high, other.low, other.high, ratio.low, ratio.high)
    if None in limits:
        return f"{one.runner.label:20} too few blocks for an interval", False
    low, high, other_low, other_high, ratio_low, ratio_high = (float(limit or 0.0) for limit in limits)
    agree = low <= other_high and other_low <= high
    return (
        f"{one.runner.label:20} {suite.value * 1e3:8.2f} ({low * 1e3:.2f} … {high * 1e3:.2f})".ljust(50)
        + f"{other.value * 1e3:8.2f} ({other_low * 1e3:.2f} … {other_high * 1e3:.2f})".ljust(30)
        + f"{math.exp(ratio.value):6.3f} ({math.exp(ratio_low):.3f} … {math.exp(ratio_high):.3f})".ljust(26)
        + f"{statistics.median(one.mounting) * 1e3:6.2f}  {'agree' if agree else 'DISAGREE'}",
        agree,
    )


def compare(names: Sequence[str], blocks: int, starts: int, seed: int) -> list[Contestant]:
    """Measure, and leave nothing behind."""
    cache, run, chance = default_cache(), new_run_id(), random.Random(seed)  # noqa: S311 - an order, not a secret
    workdir = Path(os.environ.get("TARE_WORKDIR", "/var/tmp")) / f"tare-{run}"  # noqa: S108 - disk-backed
    with ExitStack() as stack:
        stack.enter_context(leftovers.register(cache, run, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        provision = Provision(cache, progress=say)
        hyperfine = provision.tool("hyperfine")
        say(f"{hyperfine.version} ({hyperfine.origin})")
        image = build_image(ImageContent(), provision, cache, progress=say)
        context = RunContext(run, workdir, cache, launcher)
        found = []
        for name in names:
            runner = make(name, Supplies(context, provision, {}))
            stack.callback(runner.close)
            try:
                found.append(contestant(runner, image))
            except TareError as error:
                say(f"{name}: skipped: {error}")
        for block in range(-1, blocks):
            for one in chance.sample(found, len(found)):
                sides: list[tuple[list[float], Callable[[], list[float]]]] = [
                    (one.suite, partial(by_the_suite, one.runner, starts)),
                    (one.hyperfine, partial(by_hyperfine, hyperfine, one.command, starts, workdir)),
                    (one.mounting, partial(by_mounting, one.command, starts, image.agent)),
                ]
                for kept, measure in chance.sample(sides, len(sides)):
                    median = statistics.median(measure())
                    if block >= 0:
                        kept.append(median)
    return found


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="docs/hyperfine.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--runners", default="runc,crun,docker", help="which, by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--blocks", type=int, default=10, help="default: 10; fewer than 6 give wide intervals"
    )
    parser.add_argument("--starts", type=int, default=6, help="of each, per block (default: 6)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    options = parser.parse_args()
    try:
        found = compare(options.runners.split(","), options.blocks, options.starts, options.seed)
    except TareError as error:
        say(str(error))
        return 3
    heads = f"{'ms, 95 % interval':20} {'suite':30}{'hyperfine':30}{'suite / hyperfine':26}{'mounts':>6}"
    print(f"{heads}  n = {options.blocks} blocks of {options.starts}")
    rows = [row(one) for one in found]
    print("\n".join(line for line, _ in rows))
    return 3 if not rows else 0 if all(agree for _, agree in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
