"""What a guest calls durable is synced on the host: its fsyncs, QEMU's flushes and QEMU's system calls, counted."""

import contextlib
import ctypes
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from support.guests import busybox_image, guest_runner
from tare.runners.collectors import default_collectors
from tare.runners.model import Job, Limits

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=192 << 20, scratch_bytes=32 << 20)
SYNCS = 40
SCRIPT = (
    f"i=0; while [ $i -lt {SYNCS} ]; do i=$((i+1)); "
    "busybox dd if=/dev/zero of=/scratch/file bs=4k count=1 conv=fsync,notrunc 2>/dev/null || exit 1; done"
)


@pytest.mark.parametrize("name", ["microvm", "q35:cache=none+aio=native+iothread"])
def test_every_fsync_of_the_guest_is_a_flush_of_qemu_and_that_one_of_the_host(name):
    image = busybox_image()
    with guest_runner(name, LIMITS, image=image, accel="tcg") as runner, runner.open() as place:
        collectors = default_collectors(place.vantage)
        with _host_syncs(place.vantage.top_pid) as host_syncs:
            states = [collector.begin(place.vantage) for collector in collectors]
            argv = image.argv(place.root, "busybox", "sh", "-c", SCRIPT)
            done = place.run(Job(argv=argv, environ=image.environ(place.root)))
            assert done.exit_code == 0, done.stderr
            found = [
                one
                for collector, state in zip(collectors, states, strict=True)
                for one in collector.end(state)
            ]
            metrics = {one.name: one for one in found}
            flushes = metrics["guest_disk.flushes"].value
            assert flushes >= SYNCS
            assert metrics["guest_disk.flushes_failed"].value == 0
            assert metrics["guest_disk.write_bytes"].value >= SYNCS * 4096
            counted = host_syncs()
        if counted is None:
            pytest.skip("system calls cannot be counted here: that takes root and tracefs")
        assert counted >= flushes


@contextlib.contextmanager
def _host_syncs(pid):
    """Calls of fdatasync and fsync in a process, its threads to come included; ``None`` if they cannot be counted."""
    fds = []
    numbers = [_tracepoint(f"syscalls/sys_enter_{call}") for call in ("fdatasync", "fsync")]
    try:
        if all(numbers):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                fds += [_counter(number, int(thread.name)) for number in numbers]
        yield lambda: sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in fds) if fds else None
    finally:
        for fd in fds:
            os.close(fd)


def _tracepoint(name):
    """Its number; tracefs is mounted where nobody else sees it."""
    if os.geteuid() or shutil.which("unshare") is None:
        return 0
    script = f"mount -t tracefs none /mnt && cat /mnt/events/{name}/id"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def _counter(tracepoint, thread):
    inherit = 2
    attributes = struct.pack("IIQQQQQII", 2, 64, tracepoint, 0, 0, 0, inherit, 0, 0).ljust(64, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(298, ctypes.create_string_buffer(attributes), thread, -1, -1, 8)
    if fd < 0:
        pytest.skip(f"perf_event_open: {os.strerror(ctypes.get_errno())}")
    return fd
