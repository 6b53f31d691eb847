"""Collect a guest's exits to the hypervisor and their reasons: KVM's own counts, from whichever source has them.

KVM keeps the same counters for all three sources (Documentation/virt/kvm/api.rst, ``KVM_GET_STATS_FD``):

* the VMM's monitor (QEMU 7.1 and Linux 5.14 or later: QMP ``query-stats``), which needs no privilege;
* ``/sys/kernel/debug/kvm/<pid>-<fd>``, if debugfs is mounted and readable, for every VMM;
* the tracepoint ``kvm:kvm_exit`` through perf_event_open(2) otherwise, for the total alone.

Every metric names its source. The tracepoint counts from its opening on, so it is opened before the job and costs each
exit some 0.1 µs; the other two cost the guest nothing.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tare.results.said import say
from tare.runners.collectors.base import COUNT, CounterCollector, Kind
from tare.runners.errors import TareError
from tare.runners.host.pmu import TYPE_TRACEPOINT, open_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.results.record import Metric
    from tare.runners.collectors.base import State
    from tare.runners.model import Vantage

_NS = Kind("s", clock="host-monotonic")

COUNTERS: Mapping[str, tuple[str, Kind]] = {
    "exits": ("exits", COUNT),
    "exits.io": ("io_exits", COUNT),
    "exits.mmio": ("mmio_exits", COUNT),
    "exits.halt": ("halt_exits", COUNT),
    "exits.irq": ("irq_exits", COUNT),
    "exits.irq_window": ("irq_window_exits", COUNT),
    "exits.nmi_window": ("nmi_window_exits", COUNT),
    "exits.signal": ("signal_exits", COUNT),
    "exits.hypercall": ("hypercalls", COUNT),
    "emulated.instructions": ("insn_emulation", COUNT),
    "emulated.failures": ("insn_emulation_fail", COUNT),
    "halt_poll.success": ("halt_poll_success_ns", _NS),
    "halt_poll.fail": ("halt_poll_fail_ns", _NS),
    "halt.wait": ("halt_wait_ns", _NS),
}
"""Metric without ``kvm.`` → KVM's counter. ``io``, ``mmio`` and ``signal`` are exits to the VMM; the kernel answers the
others. Exits without a class of their own (CPUID, a page fault, a timer) are in the total only."""


@dataclass(slots=True)
class ExitCollector(CounterCollector):
    """Collector of ``kvm.…``; the first source that answers before the job is read after it, too."""

    events: list[int] = field(default_factory=list)
    """Descriptors of tracepoint counters, one for each thread that the VMM had."""
    _source: Callable[[Vantage], dict[str, float]] | None = None
    _named: str = ""

    name = "kvm"
    kinds: ClassVar[Mapping[str, Kind]] = {f"kvm.{metric}": kind for metric, (_, kind) in COUNTERS.items()}

    def counters(self, vantage: Vantage) -> dict[str, float]:
        """Read all counters that the source has, summed over the vCPUs."""
        if self._source is not None:
            return self._source(vantage)
        for named, source in (
            ("QMP query-stats", self._from_monitor),
            ("debugfs", self._from_debugfs),
            ("tracepoint kvm:kvm_exit", self._from_tracepoint),
        ):
            if found := source(vantage):
                self._source, self._named = source, named
                return found
        return {}

    @property
    def source(self) -> str:
        """Source that its metrics name, with the interface that was read."""
        return f"kvm: {self._named}"

    def end(self, state: State) -> tuple[Metric, ...]:
        """Read after the job, and close what :meth:`begin` opened."""
        try:
            # The zero-argument form does not work in a dataclass with slots, which is another class than this one.
            return super(ExitCollector, self).end(state)
        finally:
            self._close_events()

    def _from_monitor(self, vantage: Vantage) -> dict[str, float]:
        if vantage.monitor is None:
            self.unavailable["kvm (monitor)"] = say(
                "collector.no_monitor", "this VMM has no monitor that is spoken here"
            )
            return {}
        names = [counter for counter, _ in COUNTERS.values()]
        asked = {"target": "vcpu", "providers": [{"provider": "kvm", "names": names}]}
        try:
            answer = vantage.monitor("query-stats", asked)
        except TareError as error:
            self.unavailable["kvm (monitor)"] = say(
                "collector.old_qemu", "{error}; QEMU 7.1 and Linux 5.14 or later have it", error=error
            )
            return {}
        sums: dict[str, float] = {}
        try:
            for vcpu in answer:
                for one in vcpu["stats"]:
                    value = one["value"]
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        sums[one["name"]] = sums.get(one["name"], 0.0) + value
        except (KeyError, TypeError):
            self.unavailable["kvm (monitor)"] = say(
                "collector.query_stats",
                "query-stats answered something else: {answer}",
                answer=str(answer)[:80],
            )
            return {}
        if not sums:
            self.unavailable["kvm (monitor)"] = say(
                "collector.no_counters", "query-stats knows no KVM counters here"
            )
        return _named_counters(sums)

    def _from_debugfs(self, vantage: Vantage) -> dict[str, float]:
        top = self.root / "sys/kernel/debug/kvm"
        folders = sorted(top.glob(f"{vantage.top_pid}-*")) if os.access(top, os.R_OK | os.X_OK) else []
        if not folders:
            self.unavailable["kvm (debugfs)"] = say(
                "collector.debugfs",
                "{top} has nothing of process {top_pid} to be read",
                top=top,
                top_pid=vantage.top_pid,
            )
            return {}
        sums: dict[str, float] = {}
        for counter, _ in COUNTERS.values():
            # The VM's own file is the sum over its vCPUs.
            text = self.read_if(folders[0] / counter, f"kvm ({counter})")
            if text is not None and text.strip().isdecimal():
                sums[counter] = float(text)
        return _named_counters(sums)

    def _from_tracepoint(self, vantage: Vantage) -> dict[str, float]:
        if not self.events and (why := self._open_events(vantage)):
            self.unavailable["kvm (tracepoint)"] = why
            return {}
        return {"kvm.exits": float(sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self.events))}

    def _open_events(self, vantage: Vantage) -> str:
        """Start to count ``kvm_exit`` in every thread of the VMM; return why that is impossible, or an empty text."""
        for top in ("sys/kernel/tracing", "sys/kernel/debug/tracing"):
            try:
                number = int((self.root / top / "events/kvm/kvm_exit/id").read_text("ascii"))
                break
            except (OSError, ValueError):
                continue
        else:
            return say("collector.no_tracefs", "tracefs is not mounted, or may not be read")
        try:
            threads = [int(task.name) for task in Path(f"/proc/{vantage.top_pid}/task").iterdir()]
            for thread in threads:
                self.events.append(open_event(TYPE_TRACEPOINT, number, thread))
        except OSError as error:
            self._close_events()
            return say(
                "collector.perf_refused",
                "perf_event_open: {error}; as root, or `sysctl -w kernel.perf_event_paranoid=-1`",
                error=error.strerror,
            )
        return ""

    def _close_events(self) -> None:
        while self.events:
            os.close(self.events.pop())


def _named_counters(counters: Mapping[str, float]) -> dict[str, float]:
    return {
        f"kvm.{metric}": counters[counter] * (1e-9 if kind is _NS else 1)
        for metric, (counter, kind) in COUNTERS.items()
        if counter in counters
    }
