"""Turn an engine's events into metrics of the phases between its client's start and end."""

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
"""Metric, begin, end; the ends are marks of the timeline or events.

``engine.create``: from the request until the engine has created the container; includes the client's start.
``engine.start``: until the container runs and has its network. ``engine.stop``: from the job's end until the engine
noticed it. ``engine.remove``: until the container is removed. ``engine.return``: until the client was reaped.
"""


@dataclass(frozen=True, slots=True)
class WallClock:
    """Offset between ``CLOCK_REALTIME``, with which engines stamp events, and ``CLOCK_MONOTONIC`` at one moment."""

    offset_ns: int
    """Monotonic minus real time."""
    error_ns: int
    """Half the time that it took to read both clocks."""

    @classmethod
    def read(cls) -> WallClock:
        """Read both clocks three times and keep the closest pair."""
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
    """Compute one metric for each of :data:`PHASES` whose two ends are known.

    Args:
        timeline: the complete timeline of the place.
        events: names as in :data:`PHASES`, each with its ``CLOCK_REALTIME`` in ns; the first of a name counts.
        clocks: readings before the place was made and after it was gone. If the wall clock was set or slewed in
            between, the change is part of the metrics' error, and phases that it could reverse are left out.
        source: where the events come from, for the metrics' ``source``.
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
