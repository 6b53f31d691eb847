"""Read sysbench's report, for the workloads that it runs.

Its time comes from ``CLOCK_MONOTONIC`` (``sb_timer.h`` of sysbench 1.0).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.workloads.base import ParseError, number
from tare.results.said import say

if TYPE_CHECKING:
    from tare.runners.model import JobResult

_TOTAL_TIME = re.compile(rb"^ *total time: +(\S+)s$", re.MULTILINE)
_EVENTS = re.compile(rb"^ *total number of events: +(\S+)$", re.MULTILINE)
_P95 = re.compile(rb"^ *95th percentile: +(\S+)$", re.MULTILINE)


_MOST_APART = 5.0
"""Largest factor between a printed rate and the computed one. Up to 4.3 was seen, in an emulated guest."""


@dataclass(frozen=True, slots=True)
class Report:
    """General part of sysbench's report."""

    seconds: float
    events: int
    p95_seconds: float
    """95th percentile of one event's time, rounded to 10 µs, which may make it 0."""

    @property
    def rate(self) -> float:
        """Return the events per second over the time in which the threads worked.

        The rate that sysbench prints also counts creating and joining its threads: nothing in a long run, and a factor
        of four in a short one on a slow guest.
        """
        return self.events / self.seconds


def read_report(workload: str, result: JobResult) -> Report:
    """Read the general part of the report.

    Raises:
        ParseError: a line is missing, repeated or without a number.
    """
    seconds, events, p95 = (
        find(workload, pattern, result.stdout)[0] for pattern in (_TOTAL_TIME, _EVENTS, _P95)
    )
    return Report(
        seconds=number(workload, "total time", seconds, result.stdout),
        events=math.ceil(number(workload, "events", events, result.stdout)),
        p95_seconds=number(workload, "95th percentile", p95, result.stdout, positive=False) / 1e3,
    )


def find(workload: str, pattern: re.Pattern[bytes], output: bytes) -> tuple[str, ...]:
    """Return the groups of the only match of ``pattern``.

    Raises:
        ParseError: there is no match, or more than one.
    """
    found = list(pattern.finditer(output))
    if len(found) != 1:
        raise ParseError(
            workload,
            say(
                "parse.lines",
                "{found} lines like {decode!r} instead of one",
                found=len(found),
                decode=pattern.pattern.decode(),
            ),
            output,
        )
    return tuple(group.decode("ascii", "backslashreplace") for group in found[0].groups())


def check_printed(workload: str, printed: float, computed: float, output: bytes) -> None:
    """Compare a printed rate with the computed one.

    Raises:
        ParseError: they are further apart than threads' making and joining can explain: a digit or a unit is damaged.
    """
    if not 1 / _MOST_APART <= printed / computed <= _MOST_APART:
        raise ParseError(
            workload,
            say(
                "parse.rate",
                "a rate of {printed} where events and time make {computed}",
                printed=f"{printed:g}",
                computed=f"{computed:g}",
            ),
            output,
        )
