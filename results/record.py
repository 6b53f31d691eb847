"""Define the record of a run as immutable structs.

A run is one ``manifest.json`` (:class:`Manifest`) and one ``trials.jsonl`` (a :class:`Trial` a line).
Names follow the glossary. Values are in base units (seconds, bytes, counts); nothing here formats.

Three kinds of metadata are kept apart. *Identity* says which series a trial belongs to
(:attr:`Trial.workload`, :attr:`Trial.runner`, :attr:`Trial.parameters`). *Context* must agree before two
trials may be put side by side (:attr:`Trial.context`, :attr:`Manifest.context`). *Notes* are for people: no code reads
them. What a report needs is a field: see :mod:`tare.results.details` for trials and :mod:`tare.results.environment`
for the run.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

# msgspec reads annotations at run time.
from tare.results.details import Details  # noqa: TC001
from tare.results.environment import LimitsFound, ProbeRecord  # noqa: TC001
from tare.results.origins import Said  # noqa: TC001

FORMAT_VERSION = 3
"""Version of the record. ``docs/result-format.md`` has the history; ``results/storage/upgrade.py`` the way up."""

Direction = Literal["lower", "higher", "none"]
"""Which way is better. ``none``: a fact about the trial, never judged."""

Outcome = Literal["ok", "failed", "timeout", "invalid", "skipped"]
"""``invalid``: it ran, but its clocks or output contradict themselves, so no number is taken from it."""

Accelerator = Literal["none", "kvm", "tcg"]

MARKS = (
    "requested",
    "spawned",
    "created",
    "entered",
    "kernel",
    "restored",
    "agent",
    "ready",
    "started",
    "finished",
    "ended",
    "gone",
)
"""The timeline's marks in their only legal order.

``requested``: the launcher begins to make the place. ``spawned``: the place's top process exists.
``created``: the command or call that creates a container has ended, and the next one, which starts it, may be given
(only where creating, starting and deleting are commands or calls of their own).
``entered``: the VMM let the vCPUs run for the first time (guests that boot, where the VMM tells).
``kernel``: a guest's clock began (guests only). ``agent``: the agent's first instruction. ``ready``: it can take jobs.
``restored``: the VMM let a guest run that it had restored from a snapshot; such a guest has no ``kernel`` and no
``agent``, and it is ``ready`` when its agent takes notice of the host for the first time.
``started``/``finished``: the job's process was made / was reaped. ``ended``: the container has ended, and the
command that deletes it is given (only where ``created`` is, too). ``gone``: the place's top process was
reaped and its kernel objects were removed. A trial that shares its place with others has only
``started`` and ``finished``.
"""


CONTROL_SUFFIX = "-again"
"""Suffix of a runner's label for its second, identical measurement: the A/A control."""


COMMAND_TIME = "command.seconds"
"""Name of the metric for the time from making a job's process to reaping it, in seconds."""

LAUNCH_TIME = "launch.total"
"""Name of the metric for the time of a whole cold start, from the request for a place to its removal, in seconds."""

CPU_TIME = "cpu.total"
"""Name of the metric for a job's CPU time in seconds. Versions are judged by it as well as by their primary metric,
because other load on the machine hardly changes it."""

HOST_CPU_TIME = "cpu.host"
"""Name of the metric for the CPU seconds the host spent on a job, counted from nanosecond sources.

On bare metal and in containers it is the CPU time of the job and its children; for guests it is the CPU time of the
whole VMM, counted from outside, beside the inside view :data:`CPU_TIME`. The metric's ``source`` names what was read,
its ``error`` bounds what that reading may be wrong by."""

DUET_CPU_TIME = "cpu.duet"
"""Name of the metric for :data:`HOST_CPU_TIME` of a job that shared one CPU with the same job of the other places of its
block. The scheduler gives each a few milliseconds in turn, so that what slows the CPU down slows all of them down alike
(Bulej and others 2020, "Duet benchmarking"). Such a trial has no other cost: its times are those of a shared CPU."""

INSTRUCTIONS_USER = "instructions.user"
"""Name of the metric for the instructions that a job and its children executed in user mode, counted by the
processor's PMU."""

INSTRUCTIONS_CALLGRIND = "instructions.callgrind"
"""Name of the metric for the same, counted by one run under callgrind. It sees no kernel, no hypervisor and no cache."""

WAIT_TIME = "cpu.wait"
"""Name of the metric for the seconds in which a job was ready to run and waited for a CPU. It exists where one thread
does the job's work, since the kernel keeps no account of threads that have ended."""

WORKING_TIME = "time.working"
"""Name of the metric for a job's wall time less :data:`WAIT_TIME`, in seconds: beside the wall time, never in its place."""


class Metric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One number of one trial, with everything needed to read it."""

    name: str
    """Dotted, most general first: ``cpu.user``, ``fio.randread.iops``, ``launch.total``."""
    value: float
    unit: str
    """``s``, ``bytes``, ``bytes/s``, ``ops/s``, ``count``, ``ratio``."""
    direction: Direction
    clock: str = ""
    """Source of the time in it: ``host-monotonic``, ``host-realtime`` (events of engines, mapped to it),
    ``guest-monotonic``, ``guest-mapped``, ``cpu-time``; ``place-monotonic`` or ``place-realtime`` where a tool read the
    clock of its place (in guests the guest's, elsewhere the host's); or empty if no time is in it."""
    source: str = ""
    """The workload parser or collector that recorded it."""
    error: float | None = None
    """Half-width of the value's known error, in ``unit``: for instance the clock mapping's bound."""
    samples: int = 1
    """Number of readings inside the trial that ``value`` summarises."""
    primary: bool = False
    """The metric its workload is judged and plotted by; a workload has at most one."""


class NotFinite(msgspec.Struct, frozen=True, kw_only=True):
    """Value that is not a finite number and is therefore left out of a trial's metrics."""

    metric: str
    """Name of the metric."""
    part: Literal["value", "error"]
    """Field of the metric that is not finite."""
    text: str
    """The number as text: ``nan``, ``inf`` or ``-inf``."""


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured job, with everything recorded about it; or the reason why there is none."""

    run: str
    number: int
    """Number of the trial in its run, from 0, in the order of measurement."""
    workload: str
    family: str
    runner: str
    """The runner's label. Guests without hardware virtualisation carry ``(tcg)`` in it."""
    accelerator: Accelerator
    block: int
    """Number of the pass over the cases in which the trial was measured, from 0; -1 for skips."""
    outcome: Outcome
    reason: str = ""
    """Why the outcome is not ``ok``, as a sentence that ends with what to do."""
    remedy: str = ""
    last_line: str = ""
    """Last line that a failed job wrote to stderr, or that its lost place wrote to its console; empty: none."""
    control: bool = False
    """Belongs to the second, identical measurement of ``bare``: the A/A control."""
    warmup: bool = False
    duet: bool = False
    """The job ran at the same time as those of the block's other trials, on one CPU; see :data:`DUET_CPU_TIME`."""
    invocation: int = 0
    """Number of the opening of the place, from 0: trials of one invocation share a place."""
    position: int = 0
    """Position in the block's shuffled order, from 0."""
    stream: str = ""
    """Key of the costly runner whose stream the block belongs to; empty for that of the cheap runners, and where all
    runners share one."""
    spent_seconds: float = 0.0
    """Wall time since the trial before it was stored: opening, job, collectors, storing and choosing what comes next. The
    sum over a run is its measuring time. 0 for skips that were planned."""
    parameters: dict[str, Any] = {}
    at: str = ""
    """Wall-clock start, ISO 8601 UTC. For people: no duration is ever taken from it."""
    timeline: dict[str, int] = {}
    """Mark → host ``CLOCK_MONOTONIC`` in ns; see :data:`MARKS`."""
    clock_error: float = 0.0
    """Bound in seconds on the marks that were taken on a guest's clock; 0 where the host's was read."""
    metrics: tuple[Metric, ...] = ()
    context: dict[str, Any] = {}
    """Facts that must agree before this trial is compared: limits, kernel, file system, cache mode, …"""
    details: Details | None = None
    """Findings of an experiment besides its metrics; ``None`` for workloads."""
    not_finite: tuple[NotFinite, ...] = ()
    """Values that made the trial ``invalid`` because they are not finite numbers."""
    said: dict[str, Said] = {}
    """Text of this record → what it was made of, for reports in other languages; see :mod:`tare.results.said`."""
    notes: dict[str, str] = {}
    """Texts for people: exit status, truncated output, tail of stderr, … No code reads them."""


class Resumption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resumption of an interrupted run."""

    at_trial: int
    """Number of the first trial that followed."""
    notices: tuple[str, ...] = ()
    """Repairs of the files that were necessary before, as sentences."""
    budget_seconds: float = 0.0
    """Measuring time that was added to the budget; 0 if the run went on with what it had."""
    units: tuple[str, ...] = ()
    """Units that the added time was for; empty: all."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Origin of a run: the command that made it, what was checked out where it was given, and the user's labels."""

    commit: str = ""
    """Full hash of the commit that is checked out in the folder measured from, by git. Empty: no git, no repository or no
    commit yet."""
    branch: str = ""
    """Name of its branch; with a detached HEAD the one that the CI service names. Empty: not known."""
    dirty: bool | None = None
    """True if a tracked file differs from the commit; ``None`` where git says nothing."""
    argv: tuple[str, ...] = ()
    """Words of the command line, the program's name first."""
    labels: dict[str, str] = {}
    """The user's own, by ``--label``."""
    images: tuple[str, ...] = ()
    """Images that were pulled from registries, each with the digest that the registry had for it:
    ``docker.io/library/redis:7@sha256:…``."""


class ImportSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """File of another tool from which a run was imported."""

    file: str
    """Name of the file, without folders."""
    sha256: str
    """SHA-256 of the file, in hexadecimal."""
    format: str
    """Name of the format, as ``tare import --format`` takes it."""
    ignored_columns: tuple[str, ...] = ()
    """Columns of a table that are unknown here and were not used."""
    medians_only: tuple[str, ...] = ()
    """Series for which the file has only a median and no single values."""
    metadata: dict[str, Any] = {}
    """The tool's own description of its run: machine, versions, options. For people; no code reads it."""


class StreamTime(msgspec.Struct, frozen=True, kw_only=True):
    """Use of the time of one stream."""

    seconds: float
    """Wall time of its trials, by :attr:`Trial.spent_seconds`."""
    in_jobs_seconds: float
    """Part of it inside measured jobs, from their start to their end; of cold starts from the request for the place to
    its removal, of experiments everything."""
    blocks: int
    """Number of blocks, of all its workloads together."""


Ending = Literal["decided", "counted", "exhausted", "budget", "deadline", "interrupted"]
"""Why a run ended. ``decided``: all intervals are as narrow as was aimed at. ``counted``: the blocks asked for are measured.
``exhausted``: what is not narrow enough yields no values, or has as many blocks as are of use. ``budget``: it is spent.
``deadline``: something hung for so long that no further block was begun."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """Use of a run's budget, over all resumptions."""

    ended: Ending
    used_seconds: float
    """Measuring time after provisioning."""
    streams: dict[str, StreamTime]
    """:attr:`Trial.stream` → use of its time."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Facts, plan and status of a whole run."""

    format: int
    run: str
    name: str
    created: str
    """ISO 8601 UTC."""
    mode: Literal["quick", "default", "rigorous", "imported"]
    seed: int
    status: Literal["running", "complete", "interrupted"]
    host: dict[str, Any]
    context: dict[str, Any]
    """Facts that must agree with another run before the two are compared: CPU model, kernel, mitigations, …"""
    plan: dict[str, Any]
    versions: dict[str, str]
    image: dict[str, Any]
    """Layer name → hash, and the hashes of the programs and libraries in it."""
    variant_images: dict[str, dict[str, Any]] = {}
    """Runner key → image, as above, for variants that have their own."""
    probes: dict[str, ProbeRecord] = {}
    """Runner key → result of its probe."""
    limits: dict[str, LimitsFound] = {}
    """Runner's label → limits as verified from inside; empty if nothing was verified."""
    precise_after_blocks: dict[str, int] = {}
    """Workload, or group of versions, → number of blocks after which its intervals were as narrow as was aimed at; with
    ``@`` and the runner's key for the stream of a costly runner. Those that were not are left out."""
    course: Course | None = None
    """Use of the budget; ``None`` before the run has ended, in older and in imported runs."""
    not_undone: tuple[str, ...] = ()
    """What of the run could not be removed from the host when it ended, each with the reason; empty: nothing is left
    that the suite knows of."""
    resumed: tuple[Resumption, ...] = ()
    """Resumptions of the run, in their order."""
    imported: ImportSource | None = None
    """Source of an imported run; ``None`` if the run was measured here."""
    provenance: Provenance | None = None
    """Origin of the run; ``None`` in runs of an older tare."""
    said: dict[str, Said] = {}
    """Text of this manifest → what it was made of, for reports in other languages; see :mod:`tare.results.said`."""
    notes: dict[str, str] = {}
    """Texts for people. No code reads them."""


BASE = "bare"
"""Runner that others are compared with. It is measured in every run, and twice."""


CONTROL = BASE + CONTROL_SUFFIX
"""Label of the base's second measurement: the A/A control."""
