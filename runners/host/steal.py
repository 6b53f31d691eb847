"""Check how much CPU time the hypervisor below gives to others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tare.results.said import say
from tare.runners.host.condition import Condition
from tare.runners.host.files import ROOT
from tare.runners.host.system import CpuTime, cpu_time

if TYPE_CHECKING:
    from pathlib import Path

STEAL_SAMPLE_SECONDS = 0.2
"""Length of a sample that is waited for; the kernel counts steal time in ticks of 10 ms for each CPU."""

_STEAL_SHARE = 0.01


class CpuSample(msgspec.Struct, frozen=True):
    """The beginning of a sample of the CPUs' time."""

    began: float
    """Monotonic seconds at which it began."""
    before: CpuTime | None
    """CPU time until then; ``None`` if it cannot be read."""

    @classmethod
    def begin(cls, root: Path = ROOT) -> CpuSample:
        """Begin a sample; ``root`` is put before /proc, for tests."""
        before = cpu_time(root)
        return cls(time.monotonic(), before)


def steal(root: Path, sample: CpuSample | None = None) -> Condition:
    """Check the CPU time that the hypervisor below gave to others, in a sample that ends now, and since boot.

    A sample that was begun earlier is as long as it is; without one this takes :data:`STEAL_SAMPLE_SECONDS`.
    """
    if sample is None:
        sample = CpuSample.begin(root)
        time.sleep(STEAL_SAMPLE_SECONDS)
    before, after = sample.before, cpu_time(root)
    seconds = time.monotonic() - sample.began
    if before is None or after is None:
        return Condition("steal", None, say("condition.steal_hidden", "/proc/stat does not say"))
    now = _share(after.steal_seconds - before.steal_seconds, after.all_seconds - before.all_seconds)
    ever = _share(after.steal_seconds, after.all_seconds)
    found = say(
        "condition.steal",
        "{now} % in {seconds} s, {ever} % since boot",
        now=f"{now * 100:.1f}",
        seconds=f"{seconds:.1f}",
        ever=f"{ever * 100:.2f}",
    )
    if max(now, ever) <= _STEAL_SHARE:
        return Condition("steal", True, found)
    return Condition(
        "steal",
        False,
        found,
        say(
            "condition.steal_advice",
            "a hypervisor shares these CPUs with others; use a dedicated host, or many blocks",
        ),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 and part > 0 else 0.0
