"""Compare the start-up of guests: every profile and many variants, booted in turn.

``python -m tare.bench.tools.guest_profiles [--rounds N] [--seed S] [--only A,B] [--json]``; ``nox -s guests`` calls it.
In each round every guest starts once, in shuffled order, with the null job. Compared is the time from the request to
the agent's first instruction (of a restored guest: until it takes notice of the host) with that of QEMU's microvm as
the suite boots it: the Hodges-Lehmann estimate of the ratio inside a round, so that drift of the host cancels. What
cannot run here is skipped with the reason; what fails makes the program fail.

One ratio has a target: the microvm may take 0.7 of what a straightforward ``qemu-system-x86_64 -M q35 -kernel vmlinuz
-initrd … -append quiet`` of the same kernel takes (``qemu-q35:plain``).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import statistics
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from tare.bench.request.layers import merge
from tare.results.said import joined
from tare.runners import cleanup
from tare.runners.context import RunContext
from tare.runners.errors import TareError
from tare.runners.guests.qemu.runner import QemuRunner
from tare.runners.images.build import AGENT_SOURCE
from tare.runners.images.image import Image
from tare.runners.launcher.client import Launcher
from tare.runners.model import Job, Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache, work_parent
from tare.runners.provision.tools import Provision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

OURS, STRAIGHTFORWARD = "qemu-microvm", "qemu-q35:plain"
TARGET = 0.7
"""Largest wanted ratio of the start of :data:`OURS` to that of :data:`STRAIGHTFORWARD`."""

CONFIGURATIONS = (
    "qemu-pc",
    "qemu-q35-firmware",
    STRAIGHTFORWARD,
    "qemu-q35",
    OURS,
    "qemu-q35-restored",
    "qemu-microvm-restored",
    "qemu-microvm:plain",
    "qemu-microvm:cpu=default",
    "qemu-microvm:cpus=2",
    "qemu-microvm:pin",
    "qemu-microvm:hugetlb",
    "qemu-microvm:prealloc",
    "qemu-microvm:balloon",
    "qemu-microvm:cache=none",
    "qemu-microvm:cache=writethrough",
    "qemu-microvm:aio=io_uring",
    "qemu-q35:cache=none+aio=native+iothread",
    "qemu-microvm:console=all",
    "qemu-microvm:console=none",
    "qemu-microvm:net=user",
    "qemu-microvm:net=tap",
    "qemu-microvm:net=vhost",
)
KERNELS = ("generic",)
"""Kernels to boot :data:`OURS` with, besides the default one."""
LIMITS = Limits(cpus=1, memory_bytes=512 << 20, scratch_bytes=64 << 20)
_MOUNT_POINTS = ("dev", "proc", "sys", "tmp", "run", "scratch")


@dataclass(frozen=True, slots=True)
class StartRatio:
    """Start-up time of ours over that of another guest, with its 95 % interval."""

    name: str
    value: float
    low: float | None
    """``None``: too few rounds for an interval."""
    high: float | None
    target: float = 0.0
    """Largest ratio that is wanted; 0: none is set."""

    @property
    def met(self) -> bool:
        """Return whether the ratio is within the target; true without one, or with too few rounds for an interval."""
        return not self.target or self.low is None or self.value <= self.target


@dataclass(slots=True)
class Candidate:
    """A guest configuration and its measured starts."""

    name: str
    runner: QemuRunner
    skipped: str = ""
    """Reason why it cannot run here; empty if it can."""
    failed: str = ""
    """Reason of a failure; empty if there was none."""
    starts: list[float] = field(default_factory=list)
    """Seconds from the request to the agent's first instruction, one for each round."""

    @property
    def label(self) -> str:
        """Return the name with the accelerator; and with the kernel, if it is another."""
        return self.name.replace(self.runner.name, self.runner.label)


def measure(wanted: Iterable[str], rounds: int, chance: random.Random) -> list[Candidate]:
    """Start every configuration once a round, and leave nothing behind."""
    cache = default_cache()
    run = f"guests-{os.getpid()}"
    workdir = work_parent() / f"tare-{run}"
    with ExitStack() as stack:
        stack.enter_context(cleanup.register(cache, run, workdir))
        launcher = stack.enter_context(Launcher.start(cache))
        context = RunContext(run, workdir, cache, launcher)
        image = _image(workdir / "tree", cache)
        found = [_prepared(name, context, image, stack) for name in wanted]
        living = [one for one in found if not one.skipped and not one.failed]
        for number in range(-1, rounds):  # the first round warms the host's page cache and is not counted
            chance.shuffle(living)
            for one in living:
                if not one.failed:
                    _start(one, counted=number >= 0)
    return found


def _image(tree: Path, cache: Path) -> Image:
    for name in _MOUNT_POINTS:
        (tree / name).mkdir(parents=True)
    shutil.copy(build(AGENT_SOURCE, cache), tree / "tare-agent")
    return Image(key=f"guests-{os.getpid()}", tree=tree, layers=(), programs={}, libraries={})


def _prepared(name: str, context: RunContext, image: Image, stack: ExitStack) -> Candidate:
    runner_name, _, kernel = name.partition(" with ")
    settings = merge({"guest.kernel": kernel, "guest.cmdline": ""} if kernel else {}).guest
    one = Candidate(name, QemuRunner(context, Provision(context.cache), settings, name=runner_name))
    stack.callback(one.runner.close)
    probe = one.runner.probe()
    if not probe.ok:
        one.skipped = joined(probe.reason, probe.remedy)
        return one
    try:
        one.runner.prepare(image, LIMITS)
    except TareError as error:
        one.failed = str(error)
    return one


def _start(one: Candidate, *, counted: bool) -> None:
    job = Job()
    try:
        with one.runner.open(first=job) as place:
            place.run(job)
    except TareError as error:
        one.failed = str(error)
        return
    line = place.timeline
    seconds = (line.get("agent", line["ready"]) - line["requested"]) / 1e9
    if counted:
        one.starts.append(seconds)


def ratios(found: Sequence[Candidate]) -> dict[str, StartRatio]:
    """Divide our start by that of each other guest, by its name; below 1, ours starts faster."""
    # Imported when all is measured: numpy is large.
    from tare.results.statistics.estimates import one_sample  # noqa: PLC0415

    ours = next((one for one in found if one.name == OURS and one.starts and not one.failed), None)
    compared = {}
    for one in found:
        if ours is None or one is ours or not one.starts or one.failed:
            continue
        logs = [math.log(mine / its) for mine, its in zip(ours.starts, one.starts, strict=True)]
        interval = one_sample(logs, 0.95)
        low, high = (None if limit is None else math.exp(limit) for limit in (interval.low, interval.high))
        target = TARGET if one.name == STRAIGHTFORWARD else 0.0
        compared[one.name] = StartRatio(one.label, math.exp(interval.value), low, high, target)
    return compared


def table(found: Sequence[Candidate], compared: dict[str, StartRatio]) -> list[str]:
    """Lay the results out in lines for a person."""
    width = max(len(one.label) for one in found)
    lines = [
        f"{'start to the first instruction':{width}} {'median s':>9} {'least s':>8}  {OURS} / it, 95 % interval"
    ]
    for one in found:
        if one.skipped or one.failed:
            lines.append(
                f"{one.label:{width}} {'skipped' if one.skipped else 'FAILED'}: {one.skipped or one.failed}"
            )
            continue
        text = f"{one.label:{width}} {statistics.median(one.starts):9.3f} {min(one.starts):8.3f}"
        if ratio := compared.get(one.name):
            text += f"  {ratio.value:.2f}"
            if ratio.low is not None and ratio.high is not None:
                text += f" ({ratio.low:.2f} … {ratio.high:.2f})"
            if ratio.target:
                verdict = "too few rounds" if ratio.low is None else "met" if ratio.met else "MISSED"
                text += f"  ≤ {ratio.target:.1f}: {verdict}"
        lines.append(text)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 0 if all works and the target is met, 1 if not, 3 if nothing can be measured here."""
    parser = argparse.ArgumentParser(
        prog="python -m tare.bench.tools.guest_profiles", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each starts (default: 7)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order (default: 1)")
    parser.add_argument("--only", default="", metavar="A,B", help="only these runners, and the microvm")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)  # noqa: S311 - an order, not a secret
    everything = (*CONFIGURATIONS, *(f"{OURS} with {kernel}" for kernel in KERNELS))
    wanted = dict.fromkeys((*options.only.split(","), OURS)) if options.only else everything
    try:
        found = measure(wanted, options.rounds, chance)
    except TareError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 3
    compared = ratios(found)
    if options.json:
        rows = [
            {"name": one.label, "skipped": one.skipped, "failed": one.failed, "start_seconds": one.starts}
            for one in found
        ]
        both = {"guests": rows, "ratios": [asdict(one) for one in compared.values()]}
        print(json.dumps(both, indent=2))  # noqa: T201
    else:
        print("\n".join(table(found, compared)))  # noqa: T201
    return 0 if all(one.met for one in compared.values()) and not any(one.failed for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
