"""``hackbench``, ``timer`` and ``timer-rt``: measure the scheduler, with the tools of rt-tests where they run.

*hackbench*: ten senders pass messages of 100 bytes to ten receivers through socket pairs. It knows no time limit, so its jobs
are as long as the place is slow.

Both timers sleep for 500 µs again and again, and note how late they wake. *timer* is an ordinary process (``elementary.c``), as
most are, so the kernel's slack of 50 µs for ordinary threads is in it. *timer-rt* is cyclictest at real-time priority 80,
which it insists on: places that do not permit that are skipped. ``--laptop``: as root, cyclictest would keep the host's CPUs
out of deep sleep, and only where the device for that is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import ParseError, Workload, amount, job_timeout, metric, number
from tare.bench.workloads.elementary import Elementary
from tare.bench.workloads.sysbench import find
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode
    from tare.bench.workloads.base import Site
    from tare.results.record import Metric
    from tare.runners.model import JobResult

SENDERS = 10
_LOOPS_PER_SECOND = 5000
_TIME = re.compile(rb"^Time: (\d+\.\d+)$", re.MULTILINE)
_LOOPS = re.compile(rb"^Each sender will pass (\d+) messages of 100 bytes$", re.MULTILINE)

INTERVAL_MICROSECONDS = 500
PRIORITY = 80
LONGEST_MICROSECONDS = 2000
"""Latencies from here on are counted together."""
_REFUSED = b"Unable to change scheduling policy"
_BIN = re.compile(rb"^(\d{6}) (\d{6,})$", re.MULTILINE)
_ABOVE = re.compile(rb"^# Histogram Overflows: (\d+)$", re.MULTILINE)
_MAXIMUM = re.compile(rb"^# Max Latencies: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Hackbench(Workload):
    """Pass messages between 20 processes."""

    heavy: ClassVar[bool] = True
    shortest_seconds: ClassVar[float] = 0.3  # its time is printed to 1 ms, and 20 processes are made in it
    name: str = "hackbench"
    family: str = "kernel"
    summary: str = "messages between ten senders and ten receivers through socket pairs (hackbench)"
    programs: tuple[str, ...] = ("hackbench",)
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the numbers of processes and the size of a message."""
        return {"senders": SENDERS, "receivers": SENDERS, "message_bytes": 100}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of messages everywhere, without a cap, as the tool knows none."""
        loops = str(amount(_LOOPS_PER_SECOND, seconds))
        argv = site.image.argv(
            site.root, "hackbench", "-g", "1", "-f", str(SENDERS), "-s", "100", "-l", loops
        )
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "hackbench"),
            timeout_seconds=job_timeout(seconds),
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the messages per second: each sender sends each of its messages to every receiver."""
        text = result.stdout
        loops = number(self.name, "messages", find(self.name, _LOOPS, text)[0], text)
        seconds = number(self.name, "time", find(self.name, _TIME, text)[0], text)
        messages = loops * SENDERS * SENDERS
        return (
            metric(
                "hackbench.rate", messages / seconds, "ops/s", "higher", "hackbench", primary=True,
                samples=int(messages),
            ),
        )  # fmt: skip

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Add the making of the processes."""
        del opening_seconds
        return job_seconds + 0.02


@dataclass(frozen=True, slots=True)
class Timer(Elementary):
    """Sleep again and again as an ordinary process."""

    shortest_seconds: ClassVar[float] = 0.5  # a thousand sleeps, for a 99th percentile
    name: str = "timer"
    family: str = "kernel"
    summary: str = "lateness of an ordinary process that sleeps for 500 µs"
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the length of a sleep in microseconds."""
        return {"interval_us": INTERVAL_MICROSECONDS}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of sleeps everywhere, up to the cap."""
        sleeps = amount(1e6 / INTERVAL_MICROSECONDS, seconds)
        return self.call(site, seconds, "sleep", sleeps, 1000 * INTERVAL_MICROSECONDS)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return median, 99th percentile and maximum of the lateness."""
        names = {"late-50": "p50", "late-99": "p99", "late-100": "max"}
        found = self.timed(result.stdout, *names)
        return tuple(
            metric(
                f"elementary.sleep.{name}", found[line].seconds, "s", "lower", "elementary",
                primary=name == "p50", samples=found[line].count,
            )
            for line, name in names.items()
        )  # fmt: skip

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count each sleep's lateness, some 60 µs."""
        del opening_seconds
        return 1.15 * job_seconds


@dataclass(frozen=True, slots=True)
class RealTimeTimer(Workload):
    """Sleep again and again at a real-time priority."""

    shortest_seconds: ClassVar[float] = 0.5  # a thousand sleeps, for a 99th percentile; the start takes 5 ms
    name: str = "timer-rt"
    family: str = "kernel"
    summary: str = "lateness of a thread of real-time priority that sleeps for 500 µs (cyclictest)"
    programs: tuple[str, ...] = ("cyclictest",)
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the length of a sleep and the priority."""
        return {"interval_us": INTERVAL_MICROSECONDS, "priority": PRIORITY}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of sleeps everywhere."""
        sleeps = amount(1e6 / INTERVAL_MICROSECONDS, seconds)
        argv = site.image.argv(
            site.root, "cyclictest", "--quiet", "--laptop", "--priority", str(PRIORITY), "--interval", str(INTERVAL_MICROSECONDS),
            "--loops", str(sleeps), "--histogram", str(LONGEST_MICROSECONDS),
        )  # fmt: skip
        return Job(
            argv=argv,
            environ=site.image.environ(site.root, "cyclictest"),
            timeout_seconds=job_timeout(seconds),
        )

    def lacking(self, result: JobResult) -> Unsuitable | None:
        """Recognise that the place does not permit a real-time priority."""
        if _REFUSED not in result.stderr:
            return None
        return Unsuitable(
            say("workload.no_realtime", "the place does not permit real-time priorities"),
            say(
                "remedy.sys_nice",
                "measure places with CAP_SYS_NICE, as root: `--runners bare,namespaces:privileged`",
            ),
            lasting=True,
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return percentiles, each the middle of its bin of 1 µs, and the maximum.

        A percentile among those that are counted together is not known, and not there.

        Raises:
            ParseError: there is no histogram, or not even the median is in it.
        """
        text = result.stdout
        bins = [(int(at), int(count)) for at, count in _BIN.findall(text)]
        above = int(number(self.name, "overflows", find(self.name, _ABOVE, text)[0], text, positive=False))
        worst = number(self.name, "maximum", find(self.name, _MAXIMUM, text)[0], text)
        total = sum(count for _, count in bins) + above
        if not total or [at for at, _ in bins] != list(range(len(bins))):
            raise ParseError(self.name, say("parse.no_histogram", "no complete histogram"), text)
        if (p50 := percentile(bins, total, 0.5)) is None:
            raise ParseError(
                self.name,
                say(
                    "parse.late",
                    "half of the sleeps late by {longest_microseconds} µs or more",
                    longest_microseconds=LONGEST_MICROSECONDS,
                ),
                text,
            )
        found = {"p50": p50, "p99": percentile(bins, total, 0.99), "p999": percentile(bins, total, 0.999)}
        if total < 10_000:
            del found["p999"]
        values = {name: at + 0.5 for name, at in found.items() if at is not None}
        return tuple(
            metric(
                f"cyclictest.{name}",
                value / 1e6,
                "s",
                "lower",
                "cyclictest",
                primary=name == "p50",
                samples=total,
            )
            for name, value in {**values, "max": worst}.items()
        )

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Count each sleep's lateness, some 60 µs, and the start."""
        del opening_seconds
        return 1.15 * job_seconds + 0.06


def percentile(bins: list[tuple[int, int]], total: int, share: float) -> int | None:
    """Return the bin in which the share of all values is reached; ``None``: in none of them."""
    reached = 0
    for at, count in bins:
        reached += count
        if reached >= share * total:
            return at
    return None
