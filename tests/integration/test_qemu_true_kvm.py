"""A guest under the true ``-accel kvm``: with the ordinary kernel where KVM works, else with one made for KVMs that
emulate kernel mode, which lies beside the repository on some test machines."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from guests import busybox_image, guest_runner

from results.record import MARKS
from runners.kvm.floor import probe_kvm
from runners.model import Job, Limits

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FOLDER = Path(__file__).parents[3] / "shared" / "kvm-kernel"
CPU = "host,-arch-capabilities,-cx16,-xsave,-popcnt"
LIMITS = Limits(cpus=1, memory_bytes=128 << 20, scratch_bytes=16 << 20)
LOOP = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    floor = probe_kvm()
    if floor.usable:
        return {"accel": "kvm"}
    if floor.figures["create_vcpu_seconds"] is None:
        pytest.skip(floor.reason)
    if os.environ.get("TARE_GUEST_KERNEL"):
        kernel, cmdline = os.environ["TARE_GUEST_KERNEL"], os.environ.get("TARE_GUEST_CMDLINE", "")
        return {
            "accel": "kvm",
            "kernel": kernel,
            "cmdline": cmdline,
            "cpu": os.environ.get("TARE_QEMU_CPU", ""),
        }
    packed = FOLDER / "vmlinux.zst"
    if not packed.exists():
        pytest.skip(f"{floor.reason}; and there is no kernel made for that in {FOLDER}")
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed (apt-get install zstd)")
    kernel = tmp_path_factory.mktemp("kernel") / "vmlinux"
    subprocess.run(["zstd", "-dq", packed, "-o", kernel], check=True)
    cmdline = (FOLDER / "cmdline").read_text().strip()
    return {"accel": "kvm", "kernel": str(kernel), "cmdline": cmdline, "cpu": CPU}


def test_null_and_a_short_cpu_job_end_to_end(settings):
    image = busybox_image()
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
            assert place.context["accelerator"] == "kvm"
    assert tuple(place.timeline) == tuple(mark for mark in MARKS if mark not in {"started", "finished"})
    times = list(place.timeline.values())
    assert times == sorted(times)
