"""What the workloads that sysbench runs share: reading its report.

Its time comes from ``CLOCK_MONOTONIC`` (``sb_timer.h`` of sysbench 1.0).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.bench.workloads.base import ParseError, number

if TYPE_CHECKING:
    from tare.runners.model import JobResult

_TOTAL_TIME = re.compile(rb"^ *total time: +(\S+)s$", re.MULTILINE)
_EVENTS = re.compile(rb"^ *total number of events: +(\S+)$", re.MULTILINE)
_P95 = re.compile(rb"^ *95th percentile: +(\S+)$", re.MULTILINE)


_MOST_APART = 5.0
"""Factor. Up to 4.3 was seen, in a guest whose kernel mode is emulated."""


@dataclass(frozen=True, slots=True)
class Report:
    """The general part of sysbench's report."""

    seconds: float
    events: int
    p95_seconds: float
    """Of one event; to 10 µs only, which may make it 0."""

    @property
    def rate(self) -> float:
        """Events per second over the time in which its threads worked.

        What sysbench prints as its rate also counts the making and joining of its threads: nothing in a long run, and
        a factor of four in a short one on a slow guest.
        """
        return self.events / self.seconds


def read_report(workload: str, result: JobResult) -> Report:
    """The general part of the report.

    Raises:
        ParseError: a line is missing, twice there or without a number.
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
    """The groups of the only match.

    Raises:
        ParseError: there is none or more than one.
    """
    found = list(pattern.finditer(output))
    if len(found) != 1:
        raise ParseError(
            workload, f"{len(found)} lines like {pattern.pattern.decode()!r} instead of one", output
        )
    return tuple(group.decode("ascii", "backslashreplace") for group in found[0].groups())


def check_printed(workload: str, printed: float, computed: float, output: bytes) -> None:
    """Hold a printed rate against the computed one.

    Raises:
        ParseError: they are further apart than threads' making and joining can explain: a digit or a unit is damaged.
    """
    if not 1 / _MOST_APART <= printed / computed <= _MOST_APART:
        raise ParseError(workload, f"a rate of {printed:g} where events and time make {computed:g}", output)
