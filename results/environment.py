"""What a run found of its runners before it measured: probes, rungs of the ladder, KVM, limits seen from inside.

The manifest keeps these structs; judgements and reports read their fields. Only msgspec is imported: this module is
loaded while measuring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

ProbeEnd = Literal["refused", "killed", "held", "not tried"]
"""What became of a job that wanted more than its limit. ``refused``: it got an error that a program can handle.
``killed``: it was ended. ``held``: nothing kept it from having more. ``not tried``: ``why`` has the reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a place may use; given once, mapped by every runner. The manifest has it in its context, as ``limits``."""

    cpus: int
    memory_bytes: int
    pids: int = 512
    scratch_bytes: int = 1 << 30
    cpuset: tuple[int, ...] = ()
    """Host CPUs to run on; empty: any."""
    io_bytes_per_second: int = 0
    """Of reads, and again of writes, on the disk that scratch folders are on; 0: no limit."""
    io_operations_per_second: int = 0
    """As above, counted in requests."""


class RungRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a runner stands on the isolation ladder."""

    name: str
    """The rung's name, such as ``overlayfs``."""
    position: int
    """In the ladder's order, from 0; the branches of a rung come behind it."""
    below: tuple[str, ...]
    """Runners on the rungs below, nearest first; the last one is the base."""


class KvmSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Spread of a figure that was taken more than once."""

    n: int
    """How often it was taken."""
    low_seconds: float
    high_seconds: float


class KvmBaseline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The KVM baseline cost: what KVM costs at the least on this host, by a guest of a few instructions."""

    present: bool
    """The device exists."""
    usable: bool
    """Good enough to boot ordinary kernels under KVM."""
    accelerated: bool | None
    """Guest user mode runs at about the host's speed. ``None``: not measured."""
    nested: bool
    """This host is itself a guest (CPUID's hypervisor bit)."""
    reason: str
    """One line: why it is usable or is not."""
    remedy: str = ""
    figures: dict[str, float | None] = {}
    """``…_seconds`` of each step, exit, loop iteration or page; ``None``: it could not be taken."""
    samples: dict[str, KvmSpread] = {}
    """Spread of figures taken more than once: of exits (in batches of ten) the quartiles, of loops the least, which is
    the figure, and the most."""
    oddities: tuple[str, ...] = ()
    """Figures that ended in an errno or another exit than expected."""
    architecture: str = ""


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a runner said when it was asked whether it can work on this host."""

    ok: bool
    reason: str = ""
    """Why it cannot; empty where it can."""
    remedy: str = ""
    rung: RungRecord | None = None
    """``None``: the runner stands on no rung of the isolation ladder."""
    steps: tuple[str, ...] = ()
    """What is done to make such a place, as the launcher describes it; empty: the launcher does not make it."""
    kvm: KvmBaseline | None = None
    """``None``: the runner did not ask KVM."""
    facts: dict[str, Any] = {}
    """Whatever else it said of itself: versions, why an accelerator was chosen. Kept for people; no code reads it."""


class CpuProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many CPUs jobs use that see more than were given and try to use them all."""

    used: float | None = None
    """CPU seconds a second; ``None``: not tried."""
    why: str = ""
    """Why it was not tried."""


class MemoryProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a job that wanted more memory than was given."""

    end: ProbeEnd
    reached_bytes: int | None = None
    """What it had then; ``None``: it was not told."""
    by: str = ""
    """Who ended it, as a phrase; empty: not known."""
    watched: bool = False
    """The limit is kept by somebody who looks from outside every now and then, not by the kernel."""
    why: str = ""
    """Why it was not tried."""


class PidsProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a job that wanted more processes than were given."""

    end: ProbeEnd
    asked: int
    """The limit."""
    reached: int | None = None
    """How many processes it had then; ``None``: it was not told."""
    by: str = ""
    """Who ended it, as a phrase; empty: not known."""
    why: str = ""
    """Why it was not tried."""


class IoProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How fast a job wrote to the disk that tried to exceed its limit."""

    bytes_per_second: int | None = None
    """``None``: not tried."""
    why: str = ""
    """Why it was not tried."""


class LimitsSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="seen"):
    """What the jobs of one runner met of the limits that they were given."""

    cpus: tuple[int, ...]
    """Numbers of the CPUs that a job may run on, as it sees them."""
    memory_seen_bytes: int | None
    """``MemTotal`` of ``/proc/meminfo``; ``None``: the place shows none."""
    cgroup_files: dict[str, str]
    """File below ``/sys/fs/cgroup`` → its text, as jobs see it."""
    guest: bool
    """The place is a guest, with a kernel and CPU numbers of its own."""
    cpu: CpuProbe | None = None
    """``None``: jobs see no more CPUs than were given, so there was nothing to try."""
    memory: MemoryProbe
    pids: PidsProbe
    io: IoProbe | None = None
    """``None``: no limit on I/O was given."""
    seconds: float = 0.0
    """What the look took."""


class LimitsUnverified(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unverified"):
    """The limits of one runner could not be looked at from inside."""

    reason: str


LimitsFound = LimitsSeen | LimitsUnverified
