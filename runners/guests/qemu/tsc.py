"""Measure the rate of this processor's time-stamp counter by reading it twice.

Under TCG a guest's ``rdtsc`` reads the host's counter, so the guest's ``tsc_early_khz=`` has to be the host's rate. The
kernel does not publish that rate, so a few instructions of machine code are run. Hardened hosts may refuse executable
memory; then the rate stays unknown.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from functools import lru_cache
from pathlib import Path

from tare.runners.provision.arch import X86_64

CLOCKSOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
BY_COUNTER = frozenset({"tsc", "kvm-clock", "hyperv_clocksource_tsc_page"})
"""Clock sources that are this counter, plain or scaled: the kernel found it constant and equal on all CPUs."""

_CODE = (
    b"\x0f\x31"  # rdtsc              ; edx:eax
    b"\x48\xc1\xe2\x20"  # shl rdx, 32
    b"\x48\x09\xd0"  # or rax, rdx
    b"\xc3"  # ret
)
WINDOW_SECONDS = 0.05
"""Time between the readings. With clock readings good to about 100 ns the rate is good to a few parts in a million."""


@lru_cache(maxsize=1)
def tsc_khz() -> int | None:
    """Measure the counter's ticks per millisecond; ``None`` if it cannot be read."""
    if platform.machine() != X86_64.machine:
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page[: len(_CODE)] = _CODE
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    first = _pair(read)
    time.sleep(WINDOW_SECONDS)
    last = _pair(read)
    ticks, nanoseconds = last[0] - first[0], last[1] - first[1]
    return round(ticks * 1_000_000 / nanoseconds) if ticks > 0 else None


def host_trusts_it(file: Path = CLOCKSOURCE) -> bool:
    """Tell whether this host's own clock is driven by the counter."""
    try:
        return file.read_text("ascii").strip() in BY_COUNTER
    except OSError:
        return False


def _pair(read: ctypes._CFunctionType) -> tuple[int, int]:
    """Read counter and clock together several times, and keep the try with the least time between clock readings."""
    best: tuple[int, int, int] | None = None
    for _ in range(16):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        ticks = int(read())
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if best is None or after - before < best[0]:
            best = (after - before, ticks, (before + after) // 2)
    assert best is not None  # noqa: S101 - the loop ran
    return best[1], best[2]
