"""What an engine's own events say of the time between the command's start and its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.record import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLOCK = "host-realtime"

PHASES = (
    ("engine.create", "requested", "create"),
    ("engine.start", "create", "start"),
    ("engine.stop", "finished", "die"),
    ("engine.remove", "die", "remove"),
    ("engine.return", "remove", "gone"),
)
"""Metric, from, to: marks of the timeline, and events. ``engine.create``: from the request until the engine knows the
container, so with the client's own start. ``engine.start``: until the engine says that it runs, with its network.
``engine.stop``: from the job's end until the engine noticed. ``engine.return``: until its client was reaped."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """How ``CLOCK_REALTIME``, which engines stamp their events with, maps to ``CLOCK_MONOTONIC`` now."""

    offset_ns: int
    """Monotonic minus realtime."""
    error_ns: int
    """Half of the time that reading both took."""

    @classmethod
    def read(cls) -> WallClock:
        """Read both, three times; the closest pair counts."""
        pairs = []
        for _ in range(3):
            before = time.monotonic_ns()
            wall = time.time_ns()
            after = time.monotonic_ns()
            pairs.append((after - before, (before + after) // 2 - wall))
        spread, offset = min(pairs)
        return cls(offset, spread // 2 + 1)


def phase_metrics(
    timeline: Mapping[str, int],
    events: Iterable[tuple[str, int]],
    clocks: tuple[WallClock, WallClock],
    source: str,
) -> tuple[Metric, ...]:
    """One metric for each of :data:`PHASES` of which both ends are known.

    Args:
        timeline: the place's, whole.
        events: name as in :data:`PHASES` and ``CLOCK_REALTIME`` in ns; the first of a name counts.
        clocks: read before the place was made and after it was gone. If the host's clock was set or slewed in between,
            the difference is in the error of the metrics, and phases that it could reverse are left out.
        source: what told the events.
    """
    before, after = clocks
    error_ns = abs(after.offset_ns - before.offset_ns) + before.error_ns + after.error_ns
    moments = dict(timeline)
    for name, wall_ns in events:
        moments.setdefault(name, wall_ns + after.offset_ns)
    metrics = []
    for name, begin, end in PHASES:
        if begin in moments and end in moments:
            nanoseconds = moments[end] - moments[begin]
            if nanoseconds >= -error_ns:
                metrics.append(
                    Metric(name=name, value=max(nanoseconds, 0) / 1e9, unit="s", direction="lower", clock=CLOCK,
                           source=source, error=error_ns / 1e9)
                )  # fmt: skip
    return tuple(metrics)
