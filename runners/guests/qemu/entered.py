"""When QEMU first let a guest's vCPUs run: from its log, whose stamps are of the host's wall clock."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = re.compile(rb"^\d+@(\d+)\.(\d{6}):runstate_set .*\(running\)$", re.MULTILINE)
"""QEMU's trace event ``runstate_set`` with a time stamp of the host's ``CLOCK_REALTIME``."""

_LONGEST_BYTES = 65536
_STEPPED_NS = 1_000_000
"""If the host's wall clock moved by more against its monotonic one, its stamps are not used."""


def _to_monotonic_ns() -> int:
    """What is to be added to ``CLOCK_REALTIME``; the monotonic clock is read on both sides, and its mean taken."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return (before + after) // 2 - wall


@dataclass(frozen=True, slots=True)
class EnteredLog:
    """The log of one QEMU. Made before the launch, so that a step of the wall clock since is noticed."""

    path: Path
    to_monotonic_ns: int = field(default_factory=_to_monotonic_ns)

    def entered_ns(self) -> int | None:
        """When the vCPUs first ran, on the host's ``CLOCK_MONOTONIC``, to 1 µs.

        ``None`` if QEMU does not tell (built without the trace backend ``log``), or the wall clock was stepped since.
        """
        try:
            with self.path.open("rb") as file:
                found = _RUNS.search(file.read(_LONGEST_BYTES))
        except OSError:
            return None
        if found is None or abs(_to_monotonic_ns() - self.to_monotonic_ns) > _STEPPED_NS:
            return None
        return int(found[1]) * 1_000_000_000 + int(found[2]) * 1000 + self.to_monotonic_ns
