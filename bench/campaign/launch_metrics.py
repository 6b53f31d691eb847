"""Turn a timeline into metrics: the duration of each phase of a place's life."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tare.results.record import LAUNCH_TIME, MARKS, Metric
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Mapping

PHASES = (
    ("launch.spawn", "requested", "spawned"),
    ("launch.create", "requested", "created"),
    ("launch.begin", "created", "agent"),
    ("launch.kernel", "kernel", "agent"),
    ("launch.start", "requested", "agent"),
    ("launch.restore", "requested", "restored"),
    ("launch.ready", "requested", "ready"),
    ("launch.job", "started", "finished"),
    ("launch.teardown", "finished", "gone"),
    ("launch.delete", "ended", "gone"),
    (LAUNCH_TIME, "requested", "gone"),
)
"""Metric, first mark, last mark. ``launch.start``: request to the agent's first instruction; ``launch.begin``: its part
after a create command, that is the start command and some 0.1 ms of the suite's own before it; ``launch.restore``:
request to the moment when a guest runs on from its snapshot."""

_GUEST_MARKS = frozenset({"kernel", "agent", "ready", "started", "finished"})


def contradiction(timeline: Mapping[str, int], clock_error: float) -> str:
    """Return why the timeline cannot be true; empty if it can.

    Marks must come in the order of :data:`tare.results.record.MARKS`. Two marks of which one was mapped from a
    guest's clock may overlap by the mapping's error bound, not by more.
    """
    unknown = sorted(set(timeline) - set(MARKS))
    if unknown:
        return say("timeline.unknown", "unknown mark {mark!r}", mark=unknown[0])
    present = [mark for mark in MARKS if mark in timeline]
    for earlier, later in itertools.pairwise(present):
        mapped = (earlier in _GUEST_MARKS) != (later in _GUEST_MARKS)
        slack = clock_error if mapped else 0.0
        seconds = (timeline[later] - timeline[earlier]) / 1e9
        if seconds < -slack:
            return say(
                "timeline.reversed",
                "{later!r} comes {seconds} s before {earlier!r}, beyond the clocks' error of {slack} s",
                later=later,
                earlier=earlier,
                seconds=f"{-seconds:.6f}",
                slack=f"{slack:.6f}",
            )
    return ""


def launch_metrics(timeline: Mapping[str, int], clock_error: float) -> tuple[Metric, ...]:
    """Make a metric of each phase that has both marks; ``launch.total`` is the primary one.

    It alone is judged, because both its ends are read from the host's clock in every kind of place.
    """
    metrics = []
    for name, begin, end in PHASES:
        if begin in timeline and end in timeline:
            guest = clock_error > 0 and (begin in _GUEST_MARKS or end in _GUEST_MARKS)
            metrics.append(
                Metric(
                    name=name,
                    value=(timeline[end] - timeline[begin]) / 1e9,
                    unit="s",
                    direction="lower",
                    clock="guest-mapped" if guest else "host-monotonic",
                    source="timeline",
                    error=clock_error if guest else None,
                    primary=name == LAUNCH_TIME,
                )
            )
    return tuple(metrics)
