"""Define what a run records of its runners before measuring: probes, ladder rungs, KVM, effective limits.

The manifest keeps these structs; judgements and reports read their fields. The module imports only msgspec because it
is loaded while measuring.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ProbeEnd = Literal["refused", "killed", "held", "not tried"]
"""Outcome for a job that tried to exceed its limit. ``refused``: it got an error that a program can handle. ``killed``:
it was killed. ``held``: nothing stopped it. ``not tried``: ``why`` has the reason."""


class Limits(msgspec.Struct, frozen=True):
    """Limits of every place of a run; each runner applies them in its own way. ``Manifest.context`` has them."""

    cpus: int
    """Number of CPUs."""
    memory_bytes: int
    pids: int = 512
    """Number of processes and threads."""
    scratch_bytes: int = 1 << 30
    """Size of the place's scratch folder."""
    cpuset: tuple[int, ...] = ()
    """Host CPUs to run on; empty means any."""
    io_bytes_per_second: int = 0
    """Rate of reads, and again of writes, on the disk that holds the scratch folders; 0 means no limit."""
    io_operations_per_second: int = 0
    """Rate of read requests, and again of write requests, on the same disk; 0 means no limit."""


class RungRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Position of a runner on the isolation ladder."""

    name: str
    """The rung's name, such as ``overlayfs``."""
    position: int
    """Place in the ladder's order, from 0; the branches of a rung follow it."""
    below: tuple[str, ...]
    """Runners on the rungs below, nearest first; the last one is the base."""


class KvmSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Spread of a figure that was measured more than once."""

    n: int
    """Number of measurements."""
    low_seconds: float
    high_seconds: float


class KvmBaseline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """KVM baseline cost: the least that KVM costs on this host, measured with a guest of a few instructions."""

    present: bool
    """``/dev/kvm`` exists."""
    usable: bool
    """Ordinary kernels can boot under KVM here."""
    accelerated: bool | None
    """Guest user mode runs at about the host's speed; ``None`` if it was not measured."""
    nested: bool
    """This host is itself a guest (CPUID's hypervisor bit)."""
    reason: str
    """One line that says why KVM is usable or not."""
    remedy: str = ""
    """What would make it usable; empty if it is, or if nothing is known to help."""
    figures: dict[str, float | None] = {}
    """Step, exit, loop or page, as ``…_seconds``, → seconds; ``None`` if it could not be measured."""
    samples: dict[str, KvmSpread] = {}
    """Spread of figures that were measured more than once: quartiles for exits (in batches of ten), minimum (which is
    the figure) and maximum for loops."""
    oddities: tuple[str, ...] = ()
    """Figures that ended in an errno or an unexpected exit."""
    architecture: str = ""
    """Machine name as uname(2) has it."""


class HostFacts(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="host"):
    """Facts of runners that need nothing but the kernel: ``bare`` and ``namespaces``."""

    cgroups: str
    """Layout of the cgroup hierarchies: ``v1``, ``v2``, ``hybrid`` or ``none``."""


class ToolFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="tool"):
    """Facts of runners that call one program: OCI runtimes, bubblewrap, systemd-nspawn, LXC."""

    tool: str
    """First line of the program's version, or that it is going to be fetched."""
    origin: str = ""
    """``system``, ``fetched`` or ``given``; empty: it is not here yet."""
    user_namespace: bool | None = None
    """Containers begin in a user namespace; ``None``: not tried, because the program is not here yet."""


class EngineFacts(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="engine"
):
    """Facts of engines and clusters. ``None`` and empty: does not apply to this engine."""

    engine: str
    """Versions of the engine and its components."""
    client: str = ""
    """Version of its client."""
    daemon: str = ""
    """Address of its daemon."""
    private: bool | None = None
    """The daemon is Tare's own."""
    system: str = ""
    """Why the system's daemon cannot be used."""
    rootless: bool | None = None
    """The engine runs as an ordinary user."""
    same_host: bool | None = None
    """The cluster's node is this host."""


class GuestFacts(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="guest"
):
    """Facts that the runners of guests found out about this host."""

    accelerator_why: str
    """Why this accelerator was chosen, or none."""
    accelerator: str = ""
    """``kvm`` or ``tcg``; empty: neither can be used as asked."""
    machine: str = ""
    """QEMU's machine type; empty for other VMMs."""
    qemu: str = ""
    """First line of QEMU's version, or that it is going to be fetched; empty for other VMMs."""
    binary: str = ""
    """Path of the VMM; empty for QEMU."""
    version: str = ""
    """First line of the VMM's version; empty for QEMU, or if the VMM was not called."""


ProbeFacts = HostFacts | ToolFacts | EngineFacts | GuestFacts


class ProbeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Result of probing whether a runner can work on this host."""

    ok: bool
    reason: str = ""
    """Why the runner cannot work; empty if it can."""
    remedy: str = ""
    """Command or setting that would change it; empty if the runner works, or if none is known."""
    rung: RungRecord | None = None
    """``None`` if the runner stands on no rung of the isolation ladder."""
    steps: tuple[str, ...] = ()
    """Steps that make a place, as the launcher describes them; empty if the launcher does not make it."""
    kvm: KvmBaseline | None = None
    """``None`` if the runner did not ask KVM."""
    facts: ProbeFacts | None = None
    """Further facts by kind of runner; ``None`` if there are none."""
    notes: dict[str, str] = {}
    """Texts for people. No code reads them."""


class CpuProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CPU use of jobs that see more CPUs than they were given and try to use them all."""

    used: float | None = None
    """CPU seconds per second; ``None`` if it was not tried."""
    why: str = ""
    """Why it was not tried; else empty."""


class MemoryProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Outcome for a job that tried to exceed its memory limit."""

    end: ProbeEnd
    reached_bytes: int | None = None
    """Memory that it had reached by then; ``None`` if it could not report it."""
    by: str = ""
    """What ended it, as a phrase; empty if unknown."""
    watched: bool = False
    """The suite enforces the limit by polling from outside, instead of the kernel."""
    why: str = ""
    """Why it was not tried; else empty."""


class PidsProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Outcome for a job that tried to exceed its limit of processes."""

    end: ProbeEnd
    asked: int
    """The limit, as a number of processes."""
    reached: int | None = None
    """Number of processes that it had reached by then; ``None`` if it could not report it."""
    by: str = ""
    """What ended it, as a phrase; empty if unknown."""
    why: str = ""
    """Why it was not tried; else empty."""


class IoProbe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rate at which a job that tried to exceed its I/O limit wrote to the disk."""

    bytes_per_second: int | None = None
    """``None`` if it was not tried."""
    why: str = ""
    """Why it was not tried; else empty."""


class LimitsSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="seen"):
    """Limits of one runner as its jobs see and meet them."""

    cpus: tuple[int, ...]
    """Numbers of the CPUs that a job may run on, as the job sees them."""
    memory_seen_bytes: int | None
    """``MemTotal`` of ``/proc/meminfo``; ``None`` if the place does not show it."""
    cgroup_files: dict[str, str]
    """File below ``/sys/fs/cgroup`` → its content, as jobs see it."""
    guest: bool
    """The place is a guest, with its own kernel and CPU numbers."""
    cpu: CpuProbe | None = None
    """``None`` if jobs see no more CPUs than they were given, so that there was nothing to try."""
    memory: MemoryProbe
    pids: PidsProbe
    io: IoProbe | None = None
    """``None`` if no I/O limit was given."""
    seconds: float = 0.0
    """Time in seconds that the verification took."""
    verified: str = ""
    """When an earlier run under the same circumstances found all this, as ISO 8601 UTC; empty: this run did."""


class LimitsUnverified(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unverified"):
    """Record of a runner whose limits could not be verified from inside."""

    reason: str
    """Why not, as a sentence."""


LimitsFound = LimitsSeen | LimitsUnverified
