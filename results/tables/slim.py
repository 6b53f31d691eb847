"""Define slim versions of the record's structs: only the fields that tables need, which decode fast."""

from __future__ import annotations

import msgspec

# msgspec reads annotations at run time.
from tare.results.details import Details  # noqa: TC001
from tare.results.record import Accelerator, Direction, NotFinite, Outcome  # noqa: TC001

_NAN = float("nan")


class SlimMetric(msgspec.Struct, frozen=True, gc=False):
    """The fields of :class:`tare.results.record.Metric`; ``error`` is NaN or ``None`` if it is not known."""

    name: str
    value: float
    unit: str
    direction: Direction
    clock: str = ""
    source: str = ""
    error: float | None = _NAN
    samples: float = 1.0
    primary: bool = False


class SlimTimeline(msgspec.Struct, frozen=True, gc=False):
    """Marks of a timeline in ns of the host's ``CLOCK_MONOTONIC``; NaN where one is missing."""

    # Floats hold nanoseconds of CLOCK_MONOTONIC exactly for 104 days of uptime, to 2 ns for a year.
    requested: float = _NAN
    spawned: float = _NAN
    created: float = _NAN
    entered: float = _NAN
    kernel: float = _NAN
    restored: float = _NAN
    agent: float = _NAN
    ready: float = _NAN
    started: float = _NAN
    finished: float = _NAN
    ended: float = _NAN
    gone: float = _NAN


_NO_TIMELINE = SlimTimeline()
_EMPTY = msgspec.Raw(b"{}")


class SlimTrial(msgspec.Struct, frozen=True, gc=False):
    """The fields of a trial without its timeline and remedy; ``parameters`` and ``context`` stay undecoded.

    No table needs the last three fields. They are decoded so that a line damaged there is unreadable here, too.
    """

    run: str
    number: int
    workload: str
    family: str
    runner: str
    accelerator: Accelerator
    block: int
    outcome: Outcome
    reason: str = ""
    control: bool = False
    warmup: bool = False
    invocation: int = 0
    position: int = 0
    parameters: msgspec.Raw = _EMPTY
    clock_error: float = 0.0
    metrics: list[SlimMetric] = []
    context: msgspec.Raw = _EMPTY
    details: Details | None = None
    not_finite: tuple[NotFinite, ...] = ()
    notes: dict[str, str] = {}


class TimedTrial(SlimTrial, frozen=True, gc=False):
    """A slim trial with its timeline, for readers that need marks."""

    timeline: SlimTimeline = _NO_TIMELINE
