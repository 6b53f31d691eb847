"""A guest under the true ``-accel kvm``: with the ordinary kernel where KVM works, else with one made for KVMs that
emulate kernel mode, which lies beside the repository on some test machines. Its boot takes a minute of one CPU, so that
test has a session of its own, ``nox -s kvm``."""

import os
import shutil
import subprocess

import pytest

from support.guests import busybox_image, guest_runner
from support.paths import SHARED, SUPPORT
from tare.results.record import MARKS
from tare.runners.collectors import default_collectors
from tare.runners.guests.kvm.baseline import probe_kvm
from tare.runners.model import Job, Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache

pytestmark = pytest.mark.integration

FOLDER = SHARED / "kvm-kernel"
CPU = "host,-arch-capabilities,-cx16,-xsave,-popcnt"
LIMITS = Limits(cpus=1, memory_bytes=128 << 20, scratch_bytes=16 << 20)
LOOP = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i"


def test_jobs_marks_and_counters_end_to_end(capsys):
    floor = probe_kvm()
    if not floor.usable:
        pytest.skip(f"{floor.reason}; nox -s kvm")
    judge(capsys, accel="kvm")


@pytest.mark.kvm
def test_jobs_marks_and_counters_where_kernel_mode_is_emulated(tmp_path, capsys):
    judge(capsys, accel="kvm", **kernel_for_emulation(tmp_path))


def kernel_for_emulation(folder):
    floor = probe_kvm()
    if floor.usable:
        pytest.skip("KVM works here")
    if floor.figures["create_vcpu_seconds"] is None:
        pytest.skip(floor.reason)
    if os.environ.get("TARE_GUEST_KERNEL"):
        kernel, cmdline = os.environ["TARE_GUEST_KERNEL"], os.environ.get("TARE_GUEST_CMDLINE", "")
        return {"kernel": kernel, "cmdline": cmdline, "cpu": os.environ.get("TARE_QEMU_CPU", "")}
    packed = FOLDER / "vmlinux.zst"
    if not packed.exists():
        pytest.skip(f"{floor.reason}; and there is no kernel made for that in {FOLDER}")
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed (apt-get install zstd)")
    kernel = folder / "vmlinux"
    subprocess.run(["zstd", "-dq", packed, "-o", kernel], check=True)
    cmdline = (FOLDER / "cmdline").read_text().strip()
    return {"kernel": str(kernel), "cmdline": cmdline, "cpu": CPU}


def judge(capsys, **settings):
    spin = build(SUPPORT / "spin.c", default_cache())
    image = busybox_image(spin=spin)
    with guest_runner("microvm", LIMITS, image=image, **settings) as runner:
        assert runner.label == "qemu-microvm"
        assert runner.accelerator == "kvm"
        with runner.open() as place:
            null = place.run(Job())
            assert null.exit_code == 0
            assert null.usage is None
            argv = image.argv(place.root, "busybox", "sh", "-c", LOOP)
            done = place.run(Job(argv=argv, environ=image.environ(place.root), timeout_seconds=60))
            assert (done.exit_code, done.stdout, done.error) == (0, b"2000\n", "")
            assert done.usage.user_seconds > 0
            assert done.steal_seconds >= 0
            assert place.context["accelerator"] == "kvm"

            collectors = default_collectors(place.vantage)
            states = [collector.begin(place.vantage) for collector in collectors]
            inside = place.run(Job(argv=("/spin",)))
            metrics = {
                metric.name: metric
                for collector, state in zip(collectors, states, strict=True)
                for metric in collector.end(state)
            }
    assert tuple(place.timeline) == tuple(mark for mark in MARKS if mark in place.timeline)
    assert {"requested", "spawned", "entered", "kernel", "agent", "ready", "gone"} <= set(place.timeline)
    times = list(place.timeline.values())
    assert times == sorted(times)

    assert metrics["kvm.exits"].value > 0
    assert metrics["kvm.exits"].source == "kvm: QMP query-stats"
    assert metrics["vmm.cpu.vcpu"].value > 0
    assert 0 < metrics["guest_memory.ram"].value <= LIMITS.memory_bytes
    assert metrics["guest_memory.overhead"].value > 0

    # The very same bytes on the host. User mode is native, so the median chunk, too short for a tick, costs the same;
    # all chunks together have the guest's ticks in them, which cost what this host's KVM makes of kernel mode.
    outside = subprocess.run([spin], capture_output=True, check=True)
    chunk, whole = (
        guest / bare
        for guest, bare in zip(map(int, inside.stdout.split()), map(int, outside.stdout.split()), strict=True)
    )
    with capsys.disabled():
        exits = metrics["kvm.exits"].value
        print(
            f"\nuser-mode CPU ratio guest/bare under KVM: {chunk:.3f} (median of 500 chunks), {whole:.3f} (whole)"
            f", {exits:.0f} exits"
        )
    assert 0.5 < chunk < 2
