"""Collect from the VMM's threads: those that run the guest, those that serve its devices, and the rest.

Times come from ``/proc/PID/task/TID/schedstat`` (ns on the CPU). Threads are told apart by name: QEMU names them only
with ``-name …,debug-threads=on`` (``CPU 0/KVM``, ``CPU 0/TCG``), Firecracker and Cloud Hypervisor always. vCPU time on
the host minus the guest's own count is the cost of virtualisation. The time in which vCPU threads were ready and waited
for a CPU is the guest's steal time, seen from outside.

vhost has threads of its own: threads of the VMM from Linux 6.4 on, kernel threads named ``vhost-<pid of the VMM>``
before.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.collectors.base import CPU_NS, CPU_TICKS, TICK_SECONDS, CounterCollector, Kind
from tare.runners.collectors.processes import stat_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tare.runners.model import Vantage

_VCPU = re.compile(r"^CPU \d+/|^ALL CPUs/|^(fc_)?vcpu", re.ASCII)
_VHOST = re.compile(r"^vhost", re.ASCII)
_IO = re.compile(r"^(IO |iothread|worker|io_|_disk|_net|_rng|iou-)", re.ASCII)
_PARTS = ((_VCPU, "vmm.cpu.vcpu"), (_VHOST, "vmm.cpu.vhost"), (_IO, "vmm.cpu.io"))


class VmmCollector(CounterCollector):
    """Collector of ``vmm.…``; times are those of threads that were alive at the job's end."""

    __slots__ = ()

    name = "vmm"
    kinds: Mapping[str, Kind] = {
        "vmm.cpu.vcpu": CPU_NS,
        "vmm.cpu.io": CPU_NS,
        "vmm.cpu.vhost": CPU_NS,
        "vmm.cpu.other": CPU_NS,
        "vmm.delay.vcpu": Kind("s", clock="host-monotonic"),
        "vmm.cpu": CPU_TICKS,
    }

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Sum over the threads by their kind, and read the process' total, which includes dead threads."""
        folder = self.below(f"proc/{vantage.top_pid}")
        found = dict.fromkeys(("vmm.cpu.vcpu", "vmm.cpu.io", "vmm.cpu.other", "vmm.delay.vcpu"), 0.0)
        vcpus = 0
        for task in (*_tasks(folder), *self._vhost_threads(vantage.top_pid)):
            times = self._times(task)
            if times is None:
                continue
            name = self.read(f"{task}/comm", "vmm.cpu.vcpu").strip()
            part = next((part for pattern, part in _PARTS if pattern.match(name)), "vmm.cpu.other")
            found[part] = found.get(part, 0.0) + times[0] / 1e9
            if part == "vmm.cpu.vcpu":
                vcpus += 1
                found["vmm.delay.vcpu"] += times[1] / 1e9
        if not vcpus:
            self.unavailable["vmm.cpu.vcpu"] = say(
                "collector.vcpu_names",
                "no thread of process {top_pid} is named as a vCPU; QEMU needs -name …,debug-threads=on",
                top_pid=vantage.top_pid,
            )
            found.clear()
        ticks = stat_fields(self.read(f"{folder}/stat", "vmm.cpu"))[11:13]
        if len(ticks) == 2 and all(tick.isdecimal() for tick in ticks):
            found["vmm.cpu"] = sum(map(int, ticks)) * TICK_SECONDS
        return found

    def _vhost_threads(self, pid: int) -> list[str]:
        """Find the kernel's vhost threads before Linux 6.4, by name: no parent leads to them."""
        if not (self.root / "sys/module/vhost").exists():
            return []
        named = f"vhost-{pid}"
        return [
            str(comm.parent)
            for comm in (self.root / "proc").glob("[0-9]*/comm")
            if (self.read_if(comm, "vmm.cpu.vhost") or "").strip() == named
        ]

    def _times(self, task: str) -> tuple[int, int] | None:
        """Read a thread's ns on the CPU and ns of waiting for one (Documentation/scheduler/sched-stats.rst).

        ``None`` if it is gone: threads come and go in the meantime.
        """
        fields = self.read(f"{task}/schedstat", f"vmm.thread.{task.rpartition('/')[2]}").split()[:2]
        if len(fields) != 2 or not all(field.isdecimal() for field in fields):
            return None
        return int(fields[0]), int(fields[1])


def _tasks(folder: str) -> list[str]:
    try:
        tasks = os.listdir(f"{folder}/task")  # noqa: PTH208 - a tenth of the cost
    except OSError:  # it has ended
        return []
    return [f"{folder}/task/{task}" for task in sorted(tasks)]
