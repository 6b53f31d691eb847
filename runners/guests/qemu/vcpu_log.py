"""Read from QEMU's log when a guest's vCPUs first ran. The log's time stamps are of the host's wall clock."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = re.compile(rb"^\d+@(\d+)\.(\d{6}):runstate_set .*\(running\)$", re.MULTILINE)
"""Trace event ``runstate_set`` of QEMU, with a time stamp of the host's ``CLOCK_REALTIME``."""

_LONGEST_BYTES = 65536
_STEPPED_NS = 1_000_000
"""Largest change of the offset between the host's clocks with which the log's time stamps are used."""


def _to_monotonic_ns() -> int:
    """Measure the offset from ``CLOCK_REALTIME`` to the monotonic clock, which is read before and after."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return (before + after) // 2 - wall


@dataclass(frozen=True, slots=True)
class EnteredLog:
    """Log of one QEMU. Make it before the launch, so that a step of the wall clock is noticed."""

    path: Path
    to_monotonic_ns: int = field(default_factory=_to_monotonic_ns)
    """Offset from the wall clock to the monotonic clock when this was made."""

    def entered_ns(self) -> int | None:
        """Tell when the vCPUs first ran, in ns of the host's ``CLOCK_MONOTONIC``, exact to 1 µs.

        Returns:
            ``None`` if QEMU did not log it (it was built without the trace backend ``log``), or the wall clock was
            stepped since.
        """
        try:
            with self.path.open("rb") as file:
                found = _RUNS.search(file.read(_LONGEST_BYTES))
        except OSError:
            return None
        if found is None or abs(_to_monotonic_ns() - self.to_monotonic_ns) > _STEPPED_NS:
            return None
        return int(found[1]) * 1_000_000_000 + int(found[2]) * 1000 + self.to_monotonic_ns
