"""The VMM's threads: what ran the guest, what served its devices, and the rest.

Times come from ``/proc/PID/task/TID/schedstat`` (ns on the CPU). Threads are told apart by name: QEMU names them
with ``-name …,debug-threads=on`` only (``CPU 0/KVM``, ``CPU 0/TCG``), Firecracker and Cloud Hypervisor always.
vCPU time on the host, less what the guest counts as its own, is what virtualisation took.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runners.collectors.base import CPU_NS, CPU_TICKS, TICK_SECONDS, CounterCollector, Kind
from runners.collectors.processes import stat_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runners.model import Vantage

_VCPU = re.compile(r"^CPU \d+/|^ALL CPUs/|^(fc_)?vcpu", re.ASCII)
_IO = re.compile(r"^(IO |iothread|worker|vhost|io_|_disk|_net|_rng|iou-)", re.ASCII)


class VmmCollector(CounterCollector):
    """``vmm.cpu.…``: seconds of the threads that lived through the job or were born in it."""

    __slots__ = ()

    name = "vmm"
    kinds: Mapping[str, Kind] = {
        "vmm.cpu.vcpu": CPU_NS,
        "vmm.cpu.io": CPU_NS,
        "vmm.cpu.other": CPU_NS,
        "vmm.cpu": CPU_TICKS,
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Sums over the threads by what they are, and the process's total, dead threads included."""
        folder = self.root / "proc" / str(vantage.top_pid)
        found = {"vmm.cpu.vcpu": 0.0, "vmm.cpu.io": 0.0, "vmm.cpu.other": 0.0}
        vcpus = 0
        for task in sorted((folder / "task").glob("[0-9]*")):
            nanoseconds = self._on_cpu(task)
            if nanoseconds is None:
                continue
            name = self.read(task / "comm", "vmm.cpu.vcpu").strip()
            if _VCPU.match(name):
                vcpus += 1
                found["vmm.cpu.vcpu"] += nanoseconds / 1e9
            else:
                found["vmm.cpu.io" if _IO.match(name) else "vmm.cpu.other"] += nanoseconds / 1e9
        if not vcpus:
            self.unavailable["vmm.cpu.vcpu"] = (
                f"no thread of process {vantage.top_pid} is named as a vCPU; QEMU needs -name …,debug-threads=on"
            )
            found.clear()
        ticks = stat_fields(self.read(folder / "stat", "vmm.cpu"))[11:13]
        if len(ticks) == 2 and all(tick.isdecimal() for tick in ticks):
            found["vmm.cpu"] = sum(map(int, ticks)) * TICK_SECONDS
        return found

    def _on_cpu(self, task: Path) -> int | None:
        """The thread's ns on the CPU, or nothing if it is gone: threads come and go while we look."""
        first, *_ = [*self.read(task / "schedstat", f"vmm.thread.{task.name}").split(), ""]
        return int(first) if first.isdecimal() else None
