"""Collect a guest's memory as the host sees it: its resident RAM, and the overhead of the VMM.

The source is ``/proc/PID/smaps`` (proc_pid_smaps(5)), after the job. Guest RAM is the mapping of exactly the guest's
size; everything else is overhead: the VMM's code and heap, translated code under TCG, buffers. Both are proportional
set sizes, so pages that guests share with each other (KSM) or with other processes are divided among them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from tare.results.said import say
from tare.runners.collectors.base import BYTES_GAUGE, CounterCollector, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.model import Vantage

_RANGE = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) ", re.ASCII)


class GuestMemoryCollector(CounterCollector):
    """Collector of ``guest_memory.…``: gauges, after the job."""

    __slots__ = ()

    name = "guest_memory"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "guest_memory.ram": BYTES_GAUGE,
        "guest_memory.ram_merged": BYTES_GAUGE,
        "guest_memory.overhead": BYTES_GAUGE,
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:  # noqa: ARG002 - gauges only
        """Return nothing: all its numbers are gauges."""
        return {}

    def gauges(self, vantage: Vantage) -> dict[str, float]:
        """Read the PSS of guest RAM, the part that KSM has merged, and the PSS of all other mappings."""
        text = self.read(self.root / "proc" / str(vantage.top_pid) / "smaps", "guest_memory")
        ram = merged = rest = 0
        sizes = []
        for size, pss, ksm in _mappings(text):
            if size == vantage.guest_ram_bytes:
                ram, merged = ram + pss, merged + ksm
                sizes.append(size)
            else:
                rest += pss
        if len(sizes) != 1:
            self.unavailable["guest_memory"] = say(
                "collector.guest_ram",
                "{sizes} mappings of process {top_pid} have the guest's size of {guest_ram_bytes} bytes, so its RAM cannot be told apart",
                sizes=len(sizes),
                top_pid=vantage.top_pid,
                guest_ram_bytes=vantage.guest_ram_bytes,
            )
            return {}
        return {
            "guest_memory.ram": ram,
            "guest_memory.ram_merged": merged,
            "guest_memory.overhead": rest,
        }


def _mappings(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield size, PSS and KSM bytes of each mapping; KSM is 0 on kernels before 6.7, which do not tell it."""
    size = pss = ksm = 0
    for line in text.splitlines():
        if found := _RANGE.match(line):
            if size:
                yield size, pss, ksm
            size, pss, ksm = int(found[2], 16) - int(found[1], 16), 0, 0
        elif line.startswith("Pss:"):
            pss = int(line.split()[1]) * 1024
        elif line.startswith("KSM:"):
            ksm = int(line.split()[1]) * 1024
    if size:
        yield size, pss, ksm
