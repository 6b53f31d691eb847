"""What the workloads that sysbench runs share: reading its report.

Its time comes from ``CLOCK_MONOTONIC`` (``sb_timer.h`` of sysbench 1.0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.workloads.base import ParseError, number

if TYPE_CHECKING:
    from runners.model import JobResult

_TOTAL_TIME = re.compile(rb"^ *total time: +(\S+)s$", re.MULTILINE)
_EVENTS = re.compile(rb"^ *total number of events: +(\S+)$", re.MULTILINE)
_P95 = re.compile(rb"^ *95th percentile: +(\S+)$", re.MULTILINE)

_AGREEMENT = 0.5
"""How far the printed rate may be from events over total time, relative to it.

sysbench reads the clock for the two at different moments. On a host whose CPUs are taken, tens of percent lie between
them; a wrong unit or a mangled digit is a factor."""


@dataclass(frozen=True, slots=True)
class Report:
    """The general part of sysbench's report."""

    seconds: float
    events: int
    p95_seconds: float
    """Of one event; to 10 µs only, which may make it 0."""


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
        events=int(number(workload, "events", events, result.stdout)),
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


def check_rate(workload: str, rate: float, report: Report, output: bytes) -> None:
    """Hold a printed rate of events against the events and the time.

    Raises:
        ParseError: they contradict each other.
    """
    if report.events < 1 or not abs(rate * report.seconds / report.events - 1) <= _AGREEMENT:
        what = f"{rate} events/s beside {report.events} events in {report.seconds} s"
        raise ParseError(workload, what, output)
