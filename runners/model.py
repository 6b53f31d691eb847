"""The words of this package as types: job, limits, place, runner.

A runner makes places; a place runs jobs. Both are small protocols, so that a new kind of place is one
module. :mod:`tare.runners.fake` has the deterministic runner that tests use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tare.results.environment import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tare.results.environment import KvmBaseline, ProbeFacts, RungRecord
    from tare.results.record import Metric

__all__ = ["WATCHED", "Job", "JobResult", "Limits", "Place", "Probe", "Usage", "Vantage"]


WATCHED = "watching from outside"
"""``context["memory_limit_by"]`` of places whose memory no cgroup limits: the runner looks every now and then."""


@dataclass(frozen=True, slots=True)
class Job:
    """One execution of a program in a place.

    An empty ``argv`` is the null job: the agent answers it itself, without a new process, so that what is measured is
    the place alone.
    """

    argv: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    """Working directory, as seen inside the place."""
    stdin: bytes = b""
    timeout_seconds: float = 60.0
    output_limit_bytes: int = 1 << 20
    """Kept per stream; the rest is read and counted, not stored."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The job's ``struct rusage`` (wait4(2)), summed over the processes it waited for."""

    user_seconds: float
    system_seconds: float
    peak_rss_bytes: int
    minor_faults: int
    major_faults: int
    read_blocks: int
    write_blocks: int
    voluntary_switches: int
    involuntary_switches: int

    @classmethod
    def from_rusage(cls, words: Sequence[int]) -> Usage:
        """Read the kernel's ``struct rusage``: two timevals, then fourteen longs (getrusage(2))."""
        return cls(
            user_seconds=words[0] + words[1] / 1e6,
            system_seconds=words[2] + words[3] / 1e6,
            peak_rss_bytes=words[4] * 1024,
            minor_faults=words[8],
            major_faults=words[9],
            read_blocks=words[11],
            write_blocks=words[12],
            voluntary_switches=words[16],
            involuntary_switches=words[17],
        )


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job. Times are host ``CLOCK_MONOTONIC`` in ns (mapped, for guests)."""

    exit_code: int | None
    """Exit status, or ``None`` if a signal ended it."""
    signal: int | None
    timed_out: bool
    started_ns: int
    finished_ns: int
    inside_seconds: float
    """Duration by the place's own clock."""
    usage: Usage | None
    """``None`` for the null job, which has no process."""
    stdout: bytes
    stderr: bytes
    stdout_bytes: int
    """Total written; more than ``len(stdout)`` if the output was truncated."""
    stderr_bytes: int
    steal_seconds: float | None = None
    """Time for which the guest's kernel knows that the hypervisor let somebody else run, in ticks of 10 ms. ``None``
    outside of guests; 0 also where that kernel has no steal clock."""
    error: str = ""
    """The agent could not start the program: what failed and the errno's name."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Can a runner work here? If not: exactly why, and the command or setting that would change it."""

    ok: bool
    reason: str = ""
    remedy: str = ""
    rung: RungRecord | None = None
    """Where it stands on the isolation ladder; ``None``: on none of its rungs."""
    kvm: KvmBaseline | None = None
    """The KVM baseline cost here; ``None``: it did not ask KVM."""
    steps: tuple[str, ...] = ()
    """What is done to make a place, as the launcher describes it; empty: the launcher does not make it."""
    facts: ProbeFacts | None = None
    """What else was found, by kind of runner: versions, the accelerator and why it was chosen; ``None``: nothing."""


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where collectors can look at a place from outside."""

    top_pid: int
    """Host pid of the place's top process: the agent, the VMM, or an engine's shim."""
    cgroups: Mapping[str, Path] = field(default_factory=dict)
    """cgroup v1 controller name → directory, and ``unified`` → the v2 directory."""
    vmm: bool = False
    """The top process is a VMM, whose threads are vCPUs and I/O workers."""
    kvm: bool = False
    """The VMM runs its vCPUs by KVM."""
    guest_ram_bytes: int = 0
    """Size of a guest's RAM, where it is one mapping of the VMM."""
    shared_with_host: bool = True
    """The place's processes are visible in the host's /proc."""
    monitor: Callable[..., Any] | None = None
    """Asks the VMM: ``monitor(command, arguments)`` returns its answer, or raises :class:`TareError`. QEMU: QMP."""


class Place(Protocol):
    """One live instance made by a runner.

    A context manager: leaving it tears the place down and then sets the timeline's last mark.
    """

    root: str
    """Path of the image's tree as jobs see it: ``/``, or the unpacked tree on bare metal."""
    scratch: str
    """Path of a private, writable, disk-backed folder as jobs see it."""
    host_address: str | None
    """The IPv4 address by which jobs reach a TCP server of the host, as *they* have to write it; ``None``: there is no
    way to the host. ``127.0.0.1`` where the place shares the host's network, a bridge's address on that bridge,
    ``10.0.2.2`` behind QEMU's user network, … The server listens on that very address where the host has it, else
    (the place's network translates it) on ``127.0.0.1``. ``context["network"]`` says what kind of network it is."""
    host_network: str
    """The net namespace in which that server has to be, as a path for setns(2); empty: the host's own. Elsewhere it is
    where a private bridge has its host's side: an engine's daemon, a net namespace of the run."""
    vantage: Vantage
    timeline: dict[str, int]
    """Mark → host ``CLOCK_MONOTONIC`` ns; see :data:`tare.results.record.MARKS`."""
    clock_error: float
    usage: Usage | None
    """What the top process and all that it waited for used; set by :meth:`close`, ``None`` where nobody counted."""
    metrics: tuple[Metric, ...]
    """What only this kind of place can tell of its own making and end: an engine's events, its daemons' CPU time. Set
    by :meth:`close`, for places that had a first job."""
    context: dict[str, object]
    """Facts for the fairness audit, as *achieved*: cpus, memory limit, kernel, scratch file system, …"""

    def run(self, job: Job) -> JobResult:
        """Run a job to its end. Raises :class:`PlaceFailure` if the place is lost."""

    def close(self) -> None:
        """Tear down; idempotent. Afterwards ``timeline["gone"]`` is set and nothing is left."""


class Variants(Protocol):
    """The variants of a runner: what may stand behind the colon in its name."""

    @property
    def known(self) -> tuple[str, ...]:
        """All variants in display order; empty if they are composed of words."""

    def problem(self, runner: str, variant: str) -> str:
        """Say what is wrong with a variant of the runner with that name; empty: nothing."""

    def spelled(self, variant: str) -> str:
        """Give the one spelling that names and records have of a right variant."""


@dataclass(frozen=True, slots=True)
class NamedVariants:
    """Variants that are a fixed list of names."""

    known: tuple[str, ...]
    """In display order."""

    def problem(self, runner: str, variant: str) -> str:
        """See :class:`Variants`. All runners that share the list have all of it."""
        del runner
        verb = "is" if len(self.known) == 1 else "are"
        return "" if variant in self.known else f"known {verb} {', '.join(self.known)}"

    def spelled(self, variant: str) -> str:
        """See :class:`Variants`."""
        return variant
