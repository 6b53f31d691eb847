"""The micro guest's process against a made-up KVM: every call may fail with any errno, and each failure is a fact."""

import errno
import json
import mmap
import os
import platform
import struct
from pathlib import Path

import pytest

from tare.runners.guests.kvm import baseline, child, code

CALLS = {
    value: name for name, value in vars(child).items() if name.startswith("KVM_") and isinstance(value, int)
}
SET_UP = [name for name in CALLS.values() if name != "KVM_RUN"]
ERRNOS = [
    *("EPERM", "EACCES", "ENOENT", "EBUSY", "ENOMEM", "EMFILE", "EINTR", "EAGAIN", "ENOSYS"),
    *("EFAULT", "EEXIST", "EINVAL", "ENOTTY", "EIO", "ENXIO"),
]


class Kernel:
    """Answers ioctls as KVM does, but for the call that is to fail; guests leave by the exits that are expected."""

    def __init__(self, monkeypatch, *, fails="", error=0, exits=None):
        self.fails, self.error, self.exits = fails, error, exits
        self.fds = []
        self.vcpu = -1
        self.routine = ""
        monkeypatch.setattr("fcntl.ioctl", self.ioctl)
        monkeypatch.setattr(child, "host_loop", lambda _code: child.Timing(1e-9))
        monkeypatch.setattr(child, "native_trips", lambda _code: child.python_trips)
        place = child.Guest.place

        def remembered(guest, routine, **how):
            self.routine = routine
            place(guest, routine, **how)

        monkeypatch.setattr(child.Guest, "place", remembered)

    def new(self):
        fd = os.memfd_create("kvm")
        os.ftruncate(fd, 3 * mmap.PAGESIZE)
        self.fds.append(fd)
        return fd

    def ioctl(self, _fd, number, argument=0):
        name = CALLS[number]
        if name == self.fails:
            raise OSError(self.error, os.strerror(self.error))
        if name == "KVM_GET_API_VERSION":
            return 12
        if name in {"KVM_CREATE_VM", "KVM_CREATE_VCPU"}:
            fd = self.new()
            self.vcpu = fd if name == "KVM_CREATE_VCPU" else self.vcpu
            return fd
        if name == "KVM_GET_VCPU_MMAP_SIZE":
            return 3 * mmap.PAGESIZE
        if name == "KVM_RUN":
            usual = {"hlt": child.EXIT_HLT, "mmio": child.EXIT_MMIO}.get(self.routine, child.EXIT_IO)
            os.pwrite(self.vcpu, struct.pack("<I", usual if self.exits is None else self.exits), 8)
        return argument if isinstance(argument, bytes) else 0

    def measured(self, capsys):
        page, offsets = code.page()
        try:
            child.measure(page, offsets, {"trips": b"", "arithmetic": b""}, os.devnull)
        finally:
            for fd in self.fds:
                os.close(fd)
        facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return facts, baseline.decide(facts, nested=False, architecture="x86_64")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Exits that take no time would lengthen the loops to their end. Elsewhere only the making of a VM is tried."""
    monkeypatch.setattr(child, "TARGET_NS", 0)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_what_the_made_up_kvm_does_is_enough(monkeypatch, capsys):
    facts, found = Kernel(monkeypatch).measured(capsys)
    assert facts[-1] == {"done": True}
    assert {fact["step"] for fact in facts if "seconds" in fact} == set(baseline.FIGURES)
    assert found.oddities == ()
    assert found.samples["exit_out"].n == child.BATCHES


@pytest.mark.parametrize("name", ERRNOS)
@pytest.mark.parametrize("call", SET_UP)
def test_any_errno_of_the_set_up_is_told_with_a_remedy(monkeypatch, capsys, call, name):
    facts, found = Kernel(monkeypatch, fails=call, error=getattr(errno, name)).measured(capsys)
    assert not found.usable
    assert name in json.dumps(facts)
    assert name in found.reason or name in str(found.oddities)
    assert found.remedy


@pytest.mark.parametrize("name", ERRNOS)
def test_any_errno_of_the_run_leaves_kvm_unusable_and_is_told(monkeypatch, capsys, name):
    _, found = Kernel(monkeypatch, fails="KVM_RUN", error=getattr(errno, name)).measured(capsys)
    assert not found.usable
    assert any(name in oddity for oddity in found.oddities)


@pytest.mark.parametrize("reason", [0, 1, 8, 9, 10, 17, 99])
def test_any_other_exit_is_told_by_its_name(monkeypatch, capsys, reason):
    _, found = Kernel(monkeypatch, exits=reason).measured(capsys)
    assert not found.usable
    assert all(f"exit {reason}" in oddity for oddity in found.oddities)
    assert child.EXIT_NAMES.get(reason, "") in found.oddities[0]


def test_no_memory_for_the_guest_is_told(monkeypatch, capsys):
    kernel = Kernel(monkeypatch)

    def full(*_arguments, **_options):
        raise OSError(errno.ENOMEM, "no")

    monkeypatch.setattr("mmap.mmap", full)
    _, found = kernel.measured(capsys)
    assert "ENOMEM" in found.reason


def test_a_kernel_without_transparent_huge_pages_is_measured_all_the_same(monkeypatch, capsys):
    monkeypatch.setattr("mmap.MADV_NOHUGEPAGE", 999)
    facts, _ = Kernel(monkeypatch).measured(capsys)
    assert facts[-1] == {"done": True}


def test_where_machine_code_may_not_run_on_the_host_python_makes_the_trips(monkeypatch, capsys):
    kernel = Kernel(monkeypatch)

    def refused(_code):
        raise OSError(errno.EACCES, "no executable memory")

    monkeypatch.setattr(child, "native_trips", refused)
    _, found = kernel.measured(capsys)
    assert found.figures["exit_out_seconds"] > 0
    assert found.oddities == ("machine code on the host: EACCES",)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these bytes are of x86-64")
def test_trips_by_machine_code_are_calls_of_the_kernel():
    trips = child.native_trips(code.assemble(code.HOST_TRIPS))
    with Path(os.devnull).open() as null, pytest.raises(OSError, match="ioctl") as caught:
        trips(null.fileno(), child.KVM_GET_API_VERSION, 3)
    assert caught.value.errno == errno.ENOTTY
    with Path("/dev/random").open() as random:
        trips(random.fileno(), 0x5451, 1000)  # FIOCLEX, which every file knows
        assert not os.get_inheritable(random.fileno())
