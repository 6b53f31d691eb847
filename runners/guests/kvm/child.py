"""Run the micro guest in a process of its own: ``python -I -S child.py``, with few imports.

It writes each fact as a line of JSON at once, so that the facts found before are kept if the guest hangs and the
process is killed. It raises nothing; an errno is a fact, too.

Kernel interface: ``Documentation/virt/kvm/api.rst``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import struct
import sys
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Trips = Callable[[int, int, int], None]
    """Makes ``count`` ioctls without argument: file descriptor, request, count."""

KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_GET_VCPU_MMAP_SIZE = 0xAE04
KVM_CREATE_VCPU = 0xAE41
KVM_SET_USER_MEMORY_REGION = 0x4020AE46
KVM_SET_TSS_ADDR = 0xAE47
KVM_RUN = 0xAE80
KVM_SET_REGS = 0x4090AE82
KVM_GET_SREGS = 0x8138AE83
KVM_SET_SREGS = 0x4138AE84

EXIT_IO, EXIT_HLT, EXIT_MMIO = 2, 5, 6
EXIT_NAMES = {
    0: "unknown",
    1: "exception",
    2: "io",
    3: "hypercall",
    4: "debug",
    5: "hlt",
    6: "mmio",
    7: "irq-window-open",
    8: "shutdown (triple fault)",
    9: "fail-entry",
    10: "intr",
    17: "internal-error (the emulator met an instruction it lacks)",
}

PAGE = 4096
TABLES, CODE, DATA = 0x1000, 0x4000, 0x200000
"""Guest-physical addresses of the three page-table pages, the code page and the pages to touch."""
MMIO = 0x8000000
"""Address that the guest's page tables map and no memory slot backs."""
TSS = 0xC000000
"""Three pages that KVM may use. Python's ioctl takes 31-bit numbers only, so they are not just below 4 GiB."""
TOUCH_PAGES = 512
MEMORY_BYTES = DATA + TOUCH_PAGES * PAGE
TARGET_NS = 2_000_000
"""Least duration of a loop, which makes the 1–10 µs of its exit negligible."""
TRIPS, BATCHES = 10, 20
"""Round trips per batch, and number of batches."""
LOOPS = 3
"""Number of runs of each loop."""


class Timing(NamedTuple):
    """Duration of one step, exit, iteration or page."""

    seconds: float
    n: int = 1
    """How many times it was measured."""
    low: float | None = None
    """Lower end of the spread in seconds; ``None``: it was measured once."""
    high: float | None = None
    """Upper end of the spread in seconds; ``None``: it was measured once."""


RFLAGS_IOPL3 = 0x3002
CR0 = 0x80000011 | 0x20  # PG, ET, PE, NE
CR4 = 0x20  # PAE
EFER = 0x500  # LMA, LME


class Odd(Exception):
    """The guest exited for another reason than the routine's."""


def tell(**facts: object) -> None:
    """Write facts at once, in case this process is killed next."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def segment(type_: int, dpl: int, selector: int, *, code: bool) -> bytes:
    """Pack a ``struct kvm_segment``: flat and present, a 64-bit code or a data segment."""
    return struct.pack(
        "<QIHBBBBBBBBBx", 0, 0xFFFFFFFF, selector | dpl, type_, 1, dpl, not code, 1, code, 1, 0, 0
    )


def page_tables() -> bytes:
    """Build PML4, page-directory-pointer table and one page directory: 1 GiB identity-mapped by 2 MiB user pages."""
    entry = 0x7  # present, writable, user
    pml4 = struct.pack("<Q", (TABLES + PAGE) | entry).ljust(PAGE, b"\0")
    pdpt = struct.pack("<Q", (TABLES + 2 * PAGE) | entry).ljust(PAGE, b"\0")
    pd = struct.pack("<512Q", *((n << 21) | entry | 0x80 for n in range(512)))
    return pml4 + pdpt + pd


class Guest:
    """A VM with one vCPU. Each step of making it is timed and told."""

    def __init__(self, kvm: int, code: bytes, offsets: dict[str, int]) -> None:
        self.offsets = offsets
        begin = perf_counter_ns()
        self.vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        tell(step="create_vm", seconds=(perf_counter_ns() - begin) / 1e9)
        fcntl.ioctl(self.vm, KVM_SET_TSS_ADDR, TSS)  # Intel without "unrestricted guest" needs it
        self.memory = mmap.mmap(-1, MEMORY_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # a kernel without transparent huge pages
            self.memory.madvise(
                mmap.MADV_NOHUGEPAGE
            )  # each first touch of a page is to be a fault of its own
        self.memory[TABLES : TABLES + 3 * PAGE] = page_tables()
        self.memory[CODE : CODE + len(code)] = code
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        begin = perf_counter_ns()
        fcntl.ioctl(
            self.vm, KVM_SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, MEMORY_BYTES, address)
        )
        tell(step="memory_slot", seconds=(perf_counter_ns() - begin) / 1e9)
        begin = perf_counter_ns()
        self.vcpu = fcntl.ioctl(self.vm, KVM_CREATE_VCPU, 0)
        tell(step="create_vcpu", seconds=(perf_counter_ns() - begin) / 1e9)
        self.state = mmap.mmap(self.vcpu, fcntl.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0))
        self.level = -1

    def enter_level(self, cpl: int) -> None:
        """Put the vCPU into long mode at this privilege level, without running an instruction."""
        sregs = bytearray(fcntl.ioctl(self.vcpu, KVM_GET_SREGS, bytes(312)))
        sregs[0:24] = segment(11, cpl, 0x08, code=True)  # cs
        for at in (24, 48, 72, 96, 120):  # ds es fs gs ss
            sregs[at : at + 24] = segment(3, cpl, 0x10, code=False)
        # After eight segments and the two descriptor tables come cr0 cr2 cr3 cr4 cr8 efer.
        struct.pack_into("<6Q", sregs, 224, CR0, 0, TABLES, CR4, 0, EFER)
        fcntl.ioctl(self.vcpu, KVM_SET_SREGS, bytes(sregs))
        self.level = cpl

    def place(self, routine: str, *, cpl: int, count: int = 0, address: int = 0) -> None:
        """Set the registers so that the next entry starts the routine."""
        if self.level != cpl:
            self.enter_level(cpl)
        # rax rbx rcx rdx rsi rdi rsp rbp r8..r15 rip rflags
        fcntl.ioctl(
            self.vcpu,
            KVM_SET_REGS,
            struct.pack(
                "<18Q",
                0,
                0,
                count,
                0,
                count,
                address,
                0,
                0,
                *[0] * 8,
                CODE + self.offsets[routine],
                RFLAGS_IOPL3,
            ),
        )

    def run(self, expected: int) -> int:
        """Enter the guest, wait for the exit, and return the time between in ns."""
        begin = perf_counter_ns()
        fcntl.ioctl(self.vcpu, KVM_RUN, 0)
        taken = perf_counter_ns() - begin
        self.check(expected)
        return taken

    def check(self, expected: int) -> None:
        """Check the reason of the last exit.

        Raises:
            Odd: it was another one.
        """
        reason = struct.unpack_from("<I", self.state, 8)[0]
        if reason != expected:
            raise Odd(f"exit {reason} {EXIT_NAMES.get(reason, '')}".strip())

    def round_trip(self, trips: Trips, routine: str, expected: int, *, cpl: int, address: int = 0) -> Timing:
        """Time one exit and re-entry, as seen from user space, with the middle half of the batches as the spread."""
        self.place(routine, cpl=cpl, address=address)
        self.run(expected)
        figure = batches(trips, self.vcpu, KVM_RUN)
        self.check(expected)
        return figure

    def loop(self, routine: str, *, cpl: int) -> Timing:
        """Time one iteration: the best of several runs of a loop that is long enough to hide its one exit."""
        count, taken = 250, 0
        while True:
            self.place(routine, cpl=cpl, count=count)
            taken = self.run(EXIT_IO)
            if taken >= TARGET_NS or count >= 1 << 26:
                break
            count *= 8
        times = [taken]
        while len(times) < LOOPS:
            self.place(routine, cpl=cpl, count=count)
            times.append(self.run(EXIT_IO))
        return best_of(times, count)

    def touch(self) -> Timing:
        """Time the touch of one page, as the mean over all pages."""
        self.place("touch", cpl=3, count=TOUCH_PAGES, address=DATA)
        return Timing(self.run(EXIT_IO) / TOUCH_PAGES / 1e9)


_kept: list[mmap.mmap] = []
"""Pages of machine code, kept until the process ends because the functions in them may be called until then."""


def native(code: bytes, arguments: int) -> Callable[..., int]:
    """Make a C function of ``arguments`` parameters of type ``long``.

    Raises:
        OSError: the host refuses executable memory, as some hardened ones do.
    """
    page = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page[: len(code)] = code
    _kept.append(page)
    prototype = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * arguments)
    return prototype(ctypes.addressof(ctypes.c_char.from_buffer(page)))


def host_loop(code: bytes) -> Timing:
    """Time one iteration of the guest's loop on the host."""
    function = native(code, 1)
    count = 2_000_000
    times = []
    for _ in range(LOOPS):
        begin = perf_counter_ns()
        function(count)
        times.append(perf_counter_ns() - begin)
    return best_of(times, count)


def native_trips(code: bytes) -> Trips:
    """Make ioctls by machine code, see :data:`tare.runners.guests.kvm.code.HOST_TRIPS`."""
    function = native(code, 3)

    def trips(fd: int, request: int, count: int) -> None:
        failed = function(fd, request, count)
        if failed < 0:
            raise OSError(-failed, os.strerror(-failed))

    return trips


def python_trips(fd: int, request: int, count: int) -> None:
    """Make ioctls from Python where machine code may not run; each costs a microsecond more."""
    for _ in range(count):
        fcntl.ioctl(fd, request, 0)


def batches(trips: Trips, fd: int, request: int) -> Timing:
    """Time one ioctl: the median of several batches, with their middle half as the spread."""
    times = []
    for _ in range(BATCHES):
        begin = perf_counter_ns()
        trips(fd, request, TRIPS)
        times.append((perf_counter_ns() - begin) / TRIPS / 1e9)
    times.sort()
    half, quarter = len(times) // 2, len(times) // 4
    return Timing(times[half], len(times), times[quarter], times[-quarter - 1])


def best_of(times: list[int], count: int) -> Timing:
    """Take the least of several times in ns of ``count`` iterations, since disturbances can only lengthen a loop."""
    return Timing(min(times) / count / 1e9, len(times), min(times) / count / 1e9, max(times) / count / 1e9)


def attempt(name: str, call: Callable[..., Timing], *arguments: object, **named: object) -> None:
    """Tell one figure, or why there is none, so that the next ones are tried all the same."""
    try:
        figure = call(*arguments, **named)
    except OSError as error:
        tell(step=name, errno=errno.errorcode.get(error.errno or 0, str(error.errno)), call="KVM_RUN")
    except Odd as odd:
        tell(step=name, exit=str(odd))
    else:
        tell(step=name, **figure._asdict())


def measure(code: bytes, offsets: dict[str, int], host: dict[str, bytes], device: str) -> None:
    """Measure everything in dependency order. An errno during set-up ends it, one of a figure does not."""
    call = "open"
    begin = perf_counter_ns()
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        tell(step="open", seconds=(perf_counter_ns() - begin) / 1e9)
        call = "KVM_GET_API_VERSION"
        tell(api_version=fcntl.ioctl(kvm, KVM_GET_API_VERSION, 0))
        if platform.machine() != "x86_64":
            call = "KVM_CREATE_VM"
            at = perf_counter_ns()
            os.close(fcntl.ioctl(kvm, KVM_CREATE_VM, 0))
            tell(step="create_vm", seconds=(perf_counter_ns() - at) / 1e9)
            tell(done=True)
            return
        call = "KVM_CREATE_VM … KVM_CREATE_VCPU"
        guest = Guest(kvm, code, offsets)
        call = "KVM_SET_SREGS"
        guest.place("hlt", cpl=0)
    except OSError as error:
        tell(failed=call, errno=errno.errorcode.get(error.errno or 0, str(error.errno)))
        return
    attempt("first_exit", lambda: Timing(guest.run(EXIT_HLT) / 1e9))
    tell(step="open_to_first_exit", seconds=(perf_counter_ns() - begin) / 1e9)
    try:
        trips = native_trips(host["trips"])
    except OSError as error:
        trips = python_trips
        tell(step="machine code on the host", errno=errno.errorcode.get(error.errno or 0, str(error.errno)))
    attempt("host_arithmetic", host_loop, host["arithmetic"])
    attempt("user_arithmetic", guest.loop, "arithmetic", cpl=3)
    attempt("kernel_arithmetic", guest.loop, "arithmetic", cpl=0)
    attempt("exit_out", guest.round_trip, trips, "out", EXIT_IO, cpl=0)
    attempt("exit_mmio", guest.round_trip, trips, "mmio", EXIT_MMIO, cpl=0, address=MMIO)
    attempt("exit_hlt", guest.round_trip, trips, "hlt", EXIT_HLT, cpl=0)
    attempt("exit_cpuid", guest.loop, "cpuid", cpl=3)
    attempt("page_first_touch", guest.touch)
    attempt("page_second_touch", guest.touch)
    attempt("ioctl", batches, trips, kvm, KVM_GET_API_VERSION)
    tell(done=True)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    on_host = {name: bytes.fromhex(code) for name, code in request["host"].items()}
    measure(bytes.fromhex(request["code"]), request["offsets"], on_host, request["device"])
