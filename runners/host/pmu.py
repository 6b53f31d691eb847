"""Open counters of the kernel (perf_event_open(2)), and tell whether this host's processors count instructions."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
from pathlib import Path
from typing import Any

from tare.results.said import say
from tare.runners.host.virtualisation import virtualisation

TYPE_HARDWARE = 0
TYPE_TRACEPOINT = 2
HARDWARE_INSTRUCTIONS = 1
_DISABLED, _INHERIT, _ENABLE_ON_EXEC = 1, 1 << 1, 1 << 12
_EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 5, 1 << 6
_FORMAT_TIMES = 3
"""Read the times that the event was enabled and that it counted, too."""
_FD_CLOEXEC = 8
_ATTRIBUTES_BYTES = 64
"""Size of the first version of ``struct perf_event_attr``, which every kernel takes."""
SHARED = say("pmu.shared", "the counter was shared with other users of the PMU, so it missed a part")
"""Reason for there being no count although one was opened."""
_NUMBERS = {"x86_64": 298, "aarch64": 241}
"""Architecture → number of the system call."""
_REASONS = {
    errno.ENOENT: say("pmu.none", "this machine has no PMU, or its hypervisor hides it"),
    errno.EOPNOTSUPP: say("pmu.no_event", "this machine has no PMU that counts the event"),
    errno.EACCES: say(
        "pmu.forbidden",
        "this user may not; kernel.perf_event_paranoid has to be 2 or less, and the process one's own",
    ),
    errno.EPERM: say("pmu.lockdown", "a seccomp filter or the kernel's lockdown forbids perf_event_open"),
    errno.ENOSYS: say("pmu.no_call", "a seccomp filter or the kernel has no perf_event_open"),
    errno.ESRCH: say("pmu.ended", "the process has ended"),
}


def open_event(
    kind: int, config: int, thread: int, *, user_only: bool = False, of_children: bool = False
) -> int:
    """Open a counter of one thread; return its descriptor.

    Args:
        kind: ``PERF_TYPE_…``.
        config: ``PERF_COUNT_…``, or the number of a tracepoint.
        thread: the thread to count; 0: the calling one.
        user_only: count in user mode only, which needs less privilege.
        of_children: count the children that it makes from now on, and theirs, from their execve on; the thread itself
            is not counted. The count is read with two times, see :func:`read_count`.

    Raises:
        OSError: it is not permitted, or there is no such event here.
    """
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, say("pmu.no_number", "no system call number for this architecture"))
    flags = _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR if user_only else 0
    if of_children:
        flags |= _DISABLED | _INHERIT | _ENABLE_ON_EXEC
    form = _FORMAT_TIMES if of_children else 0
    packed = struct.pack("IIQQQQQII", kind, _ATTRIBUTES_BYTES, config, 0, 0, form, flags, 0, 0)
    attributes = ctypes.create_string_buffer(packed.ljust(_ATTRIBUTES_BYTES, b"\0"))
    libc: Any = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.syscall(number, attributes, thread, -1, -1, _FD_CLOEXEC)
    if fd < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return fd


def read_count(counter: int) -> int | None:
    """Read a counter of children that have all ended; ``None`` if it did not count all the time.

    A PMU has few counters. The kernel shares them among all that want to count.
    """
    value, enabled, counting = struct.unpack("3Q", os.read(counter, 24))
    return value if counting == enabled else None


def explain(code: int) -> str:
    """Explain an error number of perf_event_open(2) in a sentence's part."""
    known = _REASONS.get(code) or say("pmu.failed", "perf_event_open(2) failed")
    return say("pmu.why", "{why} ({name})", why=known, name=errno.errorcode.get(code, f"errno {code}"))


@functools.cache
def why_no_instructions() -> str:
    """Say why this host's processors cannot count a job's instructions in user mode; empty if they can."""
    try:
        os.close(open_event(TYPE_HARDWARE, HARDWARE_INSTRUCTIONS, 0, user_only=True))
    except OSError as error:
        return explain(error.errno or 0)
    return ""


@functools.cache
def why_not_always() -> str:
    """Say why instructions are not counted in every timed job; empty if they are.

    Under a hypervisor each switch between tasks writes registers of the virtual PMU, which traps: what is timed would
    slow down on this host and not in its guests.
    """
    if reason := why_no_instructions():
        return reason
    kind = virtualisation(Path("/"))["kind"]
    if kind not in {None, "none"}:
        return say(
            "pmu.virtual",
            "this host is virtual, so that counting would slow down what is timed; --count counts apart",
        )
    return ""
