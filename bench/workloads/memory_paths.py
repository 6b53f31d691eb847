"""``memory-fault``, ``memory-huge``, ``memory-latency``, ``memory-stream`` and ``memory-stream-all``, by ``elementary.c``.

*Faults*: the first touch of every page of a new anonymous mapping; only the touches are timed. The mapping is refused huge
pages, or asked for them: then the program counts its faults, and where they are those of small pages the trial is skipped.

*Latency*: dependent loads from one cache line after the other, in the order of a pseudo-random cycle, over buffers of sizes
that fit into usual caches and one that fits into none. Small pages, so that the translation of addresses (in a guest of two
levels) is part of the answer, as it is in large programs.

*Bandwidth*: copy, scale, add and triad as STREAM counts them (bytes read and written by the program; a write that first
reads its line moves more), with vectors of two doubles. The arrays of all workers together have a size that is four times an
ordinary last-level cache. The first worker reads the clock between meetings of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tare.bench.measurable import Unsuitable
from tare.bench.workloads.base import Workload, amount, metric
from tare.bench.workloads.elementary import Elementary
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.bench.measurable import FromMode, Terms
    from tare.bench.workloads.base import Duet, Site
    from tare.results.record import Metric
    from tare.runners.context import Runner
    from tare.runners.model import Job, JobResult

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")

FAULT_BYTES = 32 << 20
HUGE_BYTES = 64 << 20
_PASSES_PER_SECOND = 60
_HUGE_PASSES_PER_SECOND = 60

LATENCIES: Mapping[int, int] = {
    16 << 10: 700_000_000,
    256 << 10: 200_000_000,
    4 << 20: 20_000_000,
    64 << 20: 6_000_000,
}
"""Bytes of the buffer → loads per second of an ordinary core."""

STREAM_BYTES = 64 << 20
"""Size of each of the three arrays."""
_STREAM_PASSES_PER_SECOND = 15
KERNELS = ("copy", "scale", "add", "triad")


@dataclass(frozen=True, slots=True)
class Faults(Elementary):
    """Touch new memory page by page."""

    name: str
    summary: str
    huge: bool
    family: str = "memory"
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the kind of pages and the size of the mapping."""
        return {"pages": "huge" if self.huge else "small", "bytes": HUGE_BYTES if self.huge else FAULT_BYTES}

    def admit(self, runner: Runner, terms: Terms) -> None:
        """Refuse huge pages where the host's kernel gives none; guests have a kernel of their own."""
        Workload.admit(self, runner, terms)
        if self.huge and runner.accelerator == "none" and (why := no_huge_pages(SETTING)):
            raise Unsuitable(why, self.remedy())

    def remedy(self) -> str:
        """Say how the kernel gives huge pages."""
        if not self.huge:
            return ""
        return say(
            "workload.huge_pages", "echo madvise > {setting}  (as root, where the place's kernel is)", setting=SETTING
        )  # fmt: skip

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of passes everywhere, up to the cap."""
        if self.huge:
            return self.call(site, seconds, "huge", HUGE_BYTES, amount(_HUGE_PASSES_PER_SECOND, seconds))
        return self.call(site, seconds, "fault", FAULT_BYTES, amount(_PASSES_PER_SECOND, seconds))

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the page faults per second."""
        word = "huge" if self.huge else "fault"
        found = self.timed(result.stdout, word)[word]
        name = f"elementary.{word}.rate"
        return (metric(name, found.rate, "ops/s", "higher", "elementary", primary=True, samples=found.count),)


def no_huge_pages(setting: Path) -> str:
    """Say why the kernel gives no transparent huge pages, by the setting's file; empty: it does."""
    try:
        chosen = setting.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return say("condition.huge_pages_none", "the kernel has no transparent huge pages")
    if "[never]" not in chosen:
        return ""
    return say("workload.huge_pages_off", "transparent huge pages are switched off")


@dataclass(frozen=True, slots=True)
class Latency(Elementary):
    """Chase pointers through buffers of several sizes."""

    # 20 ms of CPU time for laying out the buffers and going once through the largest.
    shortest_seconds: ClassVar[float] = 0.4
    name: str = "memory-latency"
    family: str = "memory"
    summary: str = "latency of dependent loads from 16 KiB, 256 KiB, 4 MiB and 64 MiB, small pages"
    from_mode: FromMode = "rigorous"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the sizes of the buffers in bytes."""
        return {"bytes": ", ".join(map(str, LATENCIES))}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of loads everywhere, a quarter of the time for each size."""
        share = seconds / len(LATENCIES)
        pairs = [word for size, rate in LATENCIES.items() for word in (size, amount(rate, share))]
        return self.call(site, seconds, "chase", *pairs)

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the seconds of a load for each size, the largest first."""
        found = self.timed(result.stdout, *(f"chase-{size}" for size in LATENCIES))
        return tuple(
            metric(
                f"elementary.latency.{size >> 10}k",
                1 / found[f"chase-{size}"].rate,
                "s",
                "lower",
                "elementary",
                primary=size == max(LATENCIES),
                samples=found[f"chase-{size}"].count,
            )
            for size in sorted(LATENCIES, reverse=True)
        )


@dataclass(frozen=True, slots=True)
class Bandwidth(Elementary):
    """Run the four kernels of STREAM, with one worker or one per CPU."""

    shortest_seconds: ClassVar[float] = 0.8  # 80 ms of CPU time for the first touch of 192 MiB
    name: str
    summary: str
    all_cpus: bool
    family: str = "memory"
    from_mode: FromMode = "rigorous"

    @property
    def duet(self) -> Duet:  # type: ignore[override]  # by the number of CPUs
        """Share all CPUs where the job uses all, else one."""
        return "all" if self.all_cpus else "one"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the size of an array in bytes and the rule for workers."""
        return {"array_bytes": STREAM_BYTES, "workers": "one per CPU" if self.all_cpus else 1}

    def job(self, site: Site, seconds: float) -> Job:
        """Make a job of the same number of passes everywhere, up to the cap."""
        workers = site.cpus if self.all_cpus else 1
        return self.call(
            site, seconds, "stream", STREAM_BYTES, amount(_STREAM_PASSES_PER_SECOND, seconds), workers
        )

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Return the bandwidths, that of the triad first."""
        found = self.timed(result.stdout, *KERNELS)
        return tuple(
            metric(
                f"elementary.stream.{kernel}", found[kernel].rate, "bytes/s", "higher", "elementary",
                primary=kernel == "triad", samples=max(1, found[kernel].count // (3 * STREAM_BYTES)),
            )
            for kernel in reversed(KERNELS)
        )  # fmt: skip
