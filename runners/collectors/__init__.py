"""What a trial cost, from inside (:func:`usage_metrics`) and from outside (:func:`default_collectors`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runners.collectors.cgroup import CgroupCollector
from runners.collectors.exits import ExitCollector
from runners.collectors.guest_disk import GuestDiskCollector
from runners.collectors.guest_memory import GuestMemoryCollector
from runners.collectors.host import HostCollector
from runners.collectors.processes import ProcessCollector
from runners.collectors.usage import usage_metrics
from runners.collectors.vmm import VmmCollector

if TYPE_CHECKING:
    from runners.collectors.base import Collector
    from runners.model import Vantage

__all__ = ["default_collectors", "usage_metrics"]


def default_collectors(vantage: Vantage) -> tuple[Collector, ...]:
    """Fresh collectors for one trial: those that can see something of such a place."""
    collectors: list[Collector] = [HostCollector()]
    if vantage.cgroups:
        collectors.append(CgroupCollector())
    # With a VMM the tree is the VMM's; its memory and I/O are the guest's, seen from outside.
    if vantage.shared_with_host or vantage.vmm:
        collectors.append(ProcessCollector())
    if vantage.vmm:
        collectors.append(VmmCollector())
    if vantage.monitor is not None:
        collectors.append(GuestDiskCollector())
    if vantage.guest_ram_bytes:
        collectors.append(GuestMemoryCollector())
    if vantage.kvm:
        collectors.append(ExitCollector())
    return tuple(collectors)
