"""Collect the requests to a guest's scratch disk as counted by QEMU; above all its flushes.

A guest's ``fdatasync`` is durable only if its flush becomes QEMU's ``fdatasync`` on the host. With ``cache=unsafe``, or
with a kernel that drops barriers, no flush arrives and the guest seems faster than the device. ``query-blockstats``
counts the flushes of QEMU at no cost to the guest; an integration test compares it with the system calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.collectors.base import BYTES, COUNT, CounterCollector, Kind
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.model import Vantage

_NS = Kind("s", clock="host-monotonic")

COUNTERS: Mapping[str, tuple[str, Kind]] = {
    "flushes": ("flush_operations", COUNT),
    "flushes_failed": ("failed_flush_operations", COUNT),
    "reads": ("rd_operations", COUNT),
    "writes": ("wr_operations", COUNT),
    "read_bytes": ("rd_bytes", BYTES),
    "write_bytes": ("wr_bytes", BYTES),
    "flush_seconds": ("flush_total_time_ns", _NS),
}
"""Metric without ``guest_disk.`` → QEMU's counter (``BlockDeviceStats`` in its QMP reference)."""
_DISK = "scratch"


class GuestDiskCollector(CounterCollector):
    """Collector of ``guest_disk.…``, for guests with a monitor."""

    __slots__ = ()

    name = "guest_disk"
    kinds: Mapping[str, Kind] = {f"guest_disk.{metric}": kind for metric, (_, kind) in COUNTERS.items()}

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Read all counters of the scratch disk."""
        if vantage.monitor is None:
            self.unavailable["guest_disk"] = say(
                "collector.no_monitor", "this VMM has no monitor that is spoken here"
            )
            return {}
        try:
            stats = next(
                one["stats"] for one in vantage.monitor("query-blockstats") if one.get("device") == _DISK
            )
            raw = {metric: float(stats[counter]) for metric, (counter, _) in COUNTERS.items()}
        except TareError as error:
            self.unavailable["guest_disk"] = str(error)
            return {}
        except StopIteration:
            self.unavailable["guest_disk"] = say("collector.no_disk", "this guest has no disk")
            return {}
        except (KeyError, TypeError, ValueError) as error:
            self.unavailable["guest_disk"] = say(
                "collector.blockstats", "query-blockstats answered something else: {error!r}", error=error
            )
            return {}
        raw["flush_seconds"] /= 1e9
        return {f"guest_disk.{metric}": value for metric, value in raw.items()}
