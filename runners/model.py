"""Define the types that all runners share: jobs and their results, probes, places.

A runner makes places (:class:`tare.runners.context.Runner`); a place runs jobs. Both are small protocols, so that a new
kind of place is one module. :mod:`tare.runners.fake` has the deterministic runner that tests use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import msgspec

from tare.results.environment import Limits
from tare.results.nearest import did_you_mean
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tare.results.environment import KvmBaseline, ProbeFacts, RungRecord
    from tare.results.record import Metric

__all__ = [
    "INSTRUCTIONS",
    "WATCHED",
    "CountedEvent",
    "Endpoint",
    "FirstThread",
    "HostCpu",
    "Job",
    "JobResult",
    "Limits",
    "NetworkPath",
    "Place",
    "Probe",
    "Service",
    "Usage",
    "Vantage",
]


WATCHED = "watching from outside"
"""Value of ``context["memory_limit_by"]`` for places without a memory cgroup: the runner checks now and then."""


SERVICE_OUTPUT_BYTES = 32 << 10
"""Bytes to keep of each stream of a service, so that both fit into every kind of channel while nobody reads it."""


class CountedEvent(msgspec.Struct, frozen=True):
    """Event that the kernel can count for a job and its children; see perf_event_open(2)."""

    type: int
    """``PERF_TYPE_…``."""
    config: int
    """``PERF_COUNT_…``."""
    in_kernel: bool = False
    """Count in the kernel as well as in user mode."""


INSTRUCTIONS = CountedEvent(0, 1)
"""Instructions in user mode, counted by the processor (PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS)."""


class Job(msgspec.Struct, frozen=True):
    """One execution of a program in a place.

    An empty ``argv`` is the null job: the agent answers it without a new process, so that only the place is measured.
    """

    argv: tuple[str, ...] = ()
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    directory: str = "/"
    """Working directory, as a path inside the place."""
    stdin: bytes = b""
    timeout_seconds: float = 60.0
    output_limit_bytes: int = 1 << 20
    """Bytes kept of each stream; the rest is read and counted, not stored."""
    count: CountedEvent | None = None
    """Event to count in the job and all its children, from its program's start on. ``None``: none."""


class Usage(msgspec.Struct, frozen=True):
    """Resources used by a process and by all descendants it waited for: ``struct rusage`` of wait4(2)."""

    user_seconds: float
    system_seconds: float
    peak_rss_bytes: int
    """Peak of the largest process, not of their sum."""
    minor_faults: int
    major_faults: int
    read_blocks: int
    """Blocks of 512 bytes read from disk."""
    write_blocks: int
    """Blocks of 512 bytes written to disk."""
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


class HostCpu(msgspec.Struct, frozen=True):
    """CPU time that the host spent on one job, counted from outside its place by the scheduler's exact clocks."""

    seconds: float
    """CPU seconds of the job and its children, or of the whole place; see :attr:`of_job`."""
    error_seconds: float
    """Bound on the error of :attr:`seconds`, in seconds."""
    source: str
    """Counter that was read: ``cgroup``, ``process`` (the clock of a VMM), or ``rusage`` (what the agent got from wait4)."""
    of_job: bool
    """True: the job and its children alone. False: everything in the place, which is a VMM or another kernel."""
    agent_seconds: float | None = None
    """CPU seconds of the agent during the job, subtracted from the counter. ``None``: they are not in the counter, or
    cannot be told apart."""


class FirstThread(msgspec.Struct, frozen=True):
    """Scheduler's account of the first thread of a job, read when it had ended (``/proc/PID/schedstat``)."""

    cpu_seconds: float
    """Seconds on a CPU."""
    wait_seconds: float
    """Seconds in which it was ready to run and waited for a CPU."""


class JobResult(msgspec.Struct, frozen=True):
    """The result of a job. Times are the host's ``CLOCK_MONOTONIC`` in ns; those of guests are mapped to it."""

    exit_code: int | None
    """Exit status; ``None`` if a signal ended the job."""
    signal: int | None
    """Signal that ended the job; ``None`` if it exited."""
    timed_out: bool
    started_ns: int
    finished_ns: int
    inside_seconds: float
    """Duration in seconds by the place's own clock."""
    usage: Usage | None
    """Resources used; ``None`` for the null job, which has no process."""
    stdout: bytes
    stderr: bytes
    stdout_bytes: int
    """Bytes written; more than ``len(stdout)`` if the output was truncated."""
    stderr_bytes: int
    """Bytes written; more than ``len(stderr)`` if the output was truncated."""
    steal_seconds: float | None = None
    """Steal time as counted by the guest kernel (10 ms ticks). ``None`` outside of guests; 0 also if that kernel has no
    steal clock."""
    error: str = ""
    """Reason why the job failed as the suite knows it, such as ``cannot execute /x: ENOENT`` or a limit; else empty."""
    orphan_seconds: float = 0.0
    """CPU seconds of processes of the job that its own processes did not wait for, so that the agent reaped them."""
    first_thread: FirstThread | None = None
    """Account of the job's first thread. ``None`` for the null job, and where the place has no /proc to read it from."""
    counted: int | None = None
    """Count of :attr:`Job.count`. ``None``: not asked for, or not counted all the time; see :attr:`not_counted`."""
    not_counted: str = ""
    """Reason why the event asked for has no count; else empty."""
    host_cpu: HostCpu | None = None
    """CPU time as seen from outside. ``None`` where nothing outside tells it, and for the only job of a cold start."""


class Probe(msgspec.Struct, frozen=True):
    """A runner's answer to whether it can work here; if not, exactly why, and what would change that."""

    ok: bool
    reason: str = ""
    remedy: str = ""
    rung: RungRecord | None = None
    """Place on the isolation ladder; ``None``: the runner is not one of its rungs."""
    kvm: KvmBaseline | None = None
    """KVM baseline cost on this host; ``None``: the runner did not ask KVM."""
    steps: tuple[str, ...] = ()
    """Steps that make a place, described for people; empty if the launcher does not make it."""
    facts: ProbeFacts | None = None
    """Further findings, by kind of runner: versions, the accelerator and why it was chosen; ``None``: none."""


class Vantage(msgspec.Struct, frozen=True):
    """The points from which collectors can observe a place from outside."""

    top_pid: int
    """Host pid of the place's top process: the agent, the VMM, or an engine's shim."""
    cgroups: Mapping[str, Path] = msgspec.field(default_factory=dict)
    """v1 controller → folder of the cgroup, and ``unified`` → the v2 folder."""
    agent_pid: int = 0
    """Host pid of the agent; 0 if it is not visible."""
    vmm: bool = False
    """The top process is a VMM, whose threads are vCPUs and I/O workers."""
    kvm: bool = False
    """The VMM runs its vCPUs by KVM."""
    guest_ram_bytes: int = 0
    """Size of a guest's RAM; 0 if it is not one mapping of the VMM, or there is no guest."""
    shared_with_host: bool = True
    """The place's processes are visible in the host's /proc."""
    scratch: Path | None = None
    """Folder on the host that is the place's scratch folder; ``None``: it is none that the suite made."""
    monitor: Callable[..., Any] | None = None
    """Function that asks the VMM (QEMU: by QMP): ``monitor(command, arguments)`` returns its answer, or raises
    :class:`TareError`. ``None``: the VMM cannot be asked."""


NetworkPath = Literal["host", "loopback", "veth", "bridge", "tap", "forwarded"]
"""Way of packets between a place and a client outside. ``host``: the place shares the host's network. ``loopback``: the
client has entered the place's network namespace. ``veth``: over a pair of devices alone. ``bridge``: over a
pair of devices and a bridge. ``tap``: over a guest's card, a tap and a bridge. ``forwarded``: by a port of the host that the
VMM forwards."""


class Endpoint(msgspec.Struct, frozen=True):
    """Address at which a TCP server in a place is reached from outside."""

    address: str
    """IPv4 address to connect to."""
    port: int
    """Port to connect to; the server's own unless it is forwarded."""
    path: NetworkPath
    network: str = ""
    """Network namespace in which the client has to run, as ``/proc/PID/ns/net`` of a process; empty: the host's own."""
    from_places: tuple[str, int] | None = None
    """IPv4 address and port at which jobs of other places of the same runner reach it; ``None``: they cannot."""


class Service(Protocol):
    """A job that runs beside others in a place, until it is stopped or the place is closed: a server, mostly."""

    @property
    def ended(self) -> str:
        """Description of its end, for people; empty while it runs, as far as the place has been heard."""

    @property
    def output(self) -> bytes:
        """The first bytes of its standard output, then of its standard error, as many as its job keeps of each."""

    def wait_for(self, condition: Callable[[Self], bool], seconds: float) -> bool:
        """Wait until a condition on it holds, or it has ended; return whether the condition holds.

        Raises:
            PlaceFailure: its place is lost.
        """

    def look(self) -> str:
        """Hear what was said of it meanwhile, and return :attr:`ended`; raises as :meth:`wait_for`."""

    def stop(self) -> None:
        """End it with all of its processes; idempotent. Raises as :meth:`wait_for`, also if it does not end."""


class Place(Protocol):
    """One live instance made by a runner.

    A context manager: leaving it tears the place down and then sets the timeline's last mark.
    """

    root: str
    """Path of the image's tree as jobs see it: ``/``, or the unpacked tree on bare metal."""
    scratch: str
    """Path of a private, writable, disk-backed folder as jobs see it."""
    host_address: str | None
    """IPv4 address by which jobs reach a TCP server of the host; ``None``: the place has no network to the host.

    ``127.0.0.1`` if the place shares the host's network, a bridge's address on that bridge, ``10.0.2.2`` behind QEMU's
    user network, … The server listens on that address if the host has it, and on ``127.0.0.1`` if the place's network
    translates it. ``context["network"]`` names the kind of network."""
    host_network: str
    """Net namespace in which that server has to run, as ``/proc/PID/ns/net`` of a process; empty: the host's own.

    A private bridge has its host's side elsewhere: where an engine's daemon runs, or in a net namespace of the run."""
    host_scratch: Path | None
    """Path of :attr:`scratch` on the host, where a UNIX socket in it can be reached; ``None``: the host does not see it."""
    vantage: Vantage
    timeline: dict[str, int]
    """Mark → host ``CLOCK_MONOTONIC`` ns; see :data:`tare.results.record.MARKS`."""
    clock_error: float
    """Bound in seconds on the error of marks from inside; 0 if the place reads the host's clock."""
    usage: Usage | None
    """Resources used by the top process and all it waited for; set by :meth:`close`; ``None`` if nobody counted."""
    metrics: tuple[Metric, ...]
    """Metrics that only this kind of place has: an engine's events, its daemons' CPU time. Set by :meth:`close`, for
    places that had a first job."""
    context: dict[str, object]
    """Facts for the fairness audit, as *achieved*: cpus, memory limit, kernel, scratch file system, …

    An open mapping of JSON values, stored as the record's ``context``: each kind of place has facts that no other has,
    and they are compared and shown as a whole. Each runner composes its own in one method. Only ``vcpus`` and
    ``memory_limit_by`` are also read by name, to adapt a measurement to the place."""

    def run(self, job: Job) -> JobResult:
        """Run a job to its end. Raises :class:`PlaceFailure` if the place is lost."""

    def start(self, job: Job) -> Service:
        """Start a job that runs beside those of :meth:`run`; its time-out does not matter.

        Keep little of its output (:data:`SERVICE_OUTPUT_BYTES`): it waits in the channel until the place is heard.

        Raises:
            PlaceFailure: the place is lost, or refuses.
        """

    def endpoint(self, port: int) -> Endpoint | None:
        """Find out how a client outside reaches a TCP server that listens at this port of all the place's addresses.

        ``None``: no way leads there. Raises :class:`PlaceFailure` if the VMM refuses to forward the port.
        """

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


class NamedVariants(msgspec.Struct, frozen=True):
    """Variants that are a fixed list of names."""

    known: tuple[str, ...]
    """All names, in display order."""

    def problem(self, runner: str, variant: str) -> str:
        """See :class:`Variants`. All runners that share the list have all of it."""
        if variant in self.known:
            return ""
        hint = did_you_mean(variant, self.known)
        return say(
            "runner.no_variant", "{runner} has no variant {variant!r}{hint} Known: {known}.",
            runner=runner, variant=variant, hint=hint, known=", ".join(self.known),
        )  # fmt: skip

    def spelled(self, variant: str) -> str:
        """See :class:`Variants`. A name has one spelling."""
        return variant
