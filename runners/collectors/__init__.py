"""Collect what a trial cost, from inside (:func:`usage_metrics`) and from outside (:func:`default_collectors`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare.runners.collectors.cgroup import CgroupCollector
from tare.runners.collectors.exits import ExitCollector
from tare.runners.collectors.guest_disk import GuestDiskCollector
from tare.runners.collectors.guest_memory import GuestMemoryCollector
from tare.runners.collectors.host import HostCollector
from tare.runners.collectors.processes import ProcessCollector
from tare.runners.collectors.usage import usage_metrics
from tare.runners.collectors.vmm import VmmCollector

if TYPE_CHECKING:
    from tare.runners.collectors.base import Collector
    from tare.runners.model import Vantage

__all__ = ["default_collectors", "usage_metrics"]


def default_collectors(vantage: Vantage) -> tuple[Collector, ...]:
    """Make the collectors for one trial that can observe such a place."""
    collectors: list[Collector] = [HostCollector()]
    if vantage.cgroups:
        collectors.append(CgroupCollector())
    # For guests this is the tree of the VMM, whose memory and I/O are the guest's, seen from outside.
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
