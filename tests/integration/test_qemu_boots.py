"""Real guests on both machine types, under TCG, which every host has."""

import pytest

from support.guests import busybox_image, guest_runner
from tare.results.record import MARKS
from tare.runners.model import Job, Limits

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=256 << 20, scratch_bytes=64 << 20)


@pytest.fixture(scope="module")
def image():
    return busybox_image()


def test_runners_can_be_asked_before_anything_is_here(image):
    with guest_runner("microvm", LIMITS, image=image, accel="tcg") as runner:
        probe = runner.probe()
        assert runner.label == "qemu-microvm(tcg)"
        assert probe.facts.accelerator == "tcg"
        assert probe.facts.accelerator_why == "TCG was asked for"


@pytest.mark.parametrize("profile", ["microvm", "q35"])
def test_cold_start_has_every_mark_in_order(profile, image):
    with guest_runner(profile, LIMITS, image=image, accel="tcg") as runner:
        job = Job()
        with runner.open(first=job) as place:
            result = place.run(job)
        assert result.exit_code == 0
        assert tuple(place.timeline) == tuple(
            mark for mark in MARKS if mark not in {"created", "restored", "ended"}
        )
        times = list(place.timeline.values())
        assert times == sorted(times)
        assert 0 < place.clock_error < 1
        assert place.vantage.vmm
        assert place.usage.user_seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["microvm", "q35"])
def test_jobs_share_a_guest(profile, image):
    with guest_runner(profile, LIMITS, image=image, accel="tcg") as runner, runner.open() as place:

        def shell(script, **named):
            argv = image.argv(place.root, "busybox", "sh", "-c", script)
            return place.run(Job(argv=argv, environ=image.environ(place.root), **named))

        assert shell("busybox uname -r").stdout.decode().strip() == place.context["kernel"]
        assert shell("busybox cat /sys/devices/system/clocksource/*/current_clocksource").stdout in {
            b"tsc-early\n",
            b"tsc\n",
        }
        assert shell(f"echo kept > {place.scratch}/file && busybox sync").exit_code == 0
        assert shell(f"busybox cat {place.scratch}/file").stdout == b"kept\n"
        assert b"Read-only" in shell("echo no > /etc/no").stderr
        assert shell("exit 7").exit_code == 7
        flood = shell("busybox yes | busybox head -c 300000; echo é >&2", output_limit_bytes=1000)
        assert (len(flood.stdout), flood.stdout_bytes, flood.stderr) == (1000, 300000, "é\n".encode())
        stuck = shell("busybox sleep 60", timeout_seconds=1)
        assert stuck.timed_out
        timed = shell("busybox sleep 1")
        outside = (timed.finished_ns - timed.started_ns) / 1e9
        assert outside == pytest.approx(timed.inside_seconds, abs=0.1), "both clocks run at one rate"
    assert place.timeline["gone"] > place.timeline["ready"]


def test_the_hosts_own_kernel_boots(image, monkeypatch):
    """On a host whose kernel is the one for clouds; it lies where it was unpacked."""
    from tare.runners.provision import kernel  # noqa: PLC0415
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    cloud = Provision(default_cache()).guest_kernel("cloud")
    root = cloud.path.parent.parent
    host = kernel.HostKernel(cloud.release, cloud.path.parent, root / "usr/lib/modules")
    monkeypatch.setattr(kernel, "HostKernel", lambda: host)
    with guest_runner("microvm", LIMITS, image=image, accel="tcg", kernel="host") as runner:
        job = Job(argv=image.argv("/", "busybox", "uname", "-r"))
        with runner.open(first=job) as place:
            assert place.run(job).stdout.decode() == f"{cloud.release}\n"
        assert place.context["kernel_origin"] == "system"
        assert place.context["channel"] == "virtio-serial"


def test_guest_without_virtio_is_served_over_the_serial_port(image, tmp_path):
    """Without its modules, a distribution's kernel has only what is built in: a serial port and an initramfs."""
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    kernel = Provision(default_cache()).guest_kernel().path
    with guest_runner("microvm", LIMITS, image=image, accel="tcg", kernel=str(kernel)) as runner:
        job = Job(argv=image.argv("/", "busybox", "echo", "hello"))
        with runner.open(first=job) as place:
            assert place.run(job).stdout == b"hello\n"
        assert place.context["channel"] == "serial port"
        assert place.context["root"] == "initramfs"
        assert len(place.context["limitations"]) == 2
