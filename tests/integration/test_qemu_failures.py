"""Guests that never get to work end as failures that say why, in bounded time, and leave nothing."""

import os
import signal

import pytest

from support.guests import FLOOD, HANG, TRIPLE_FAULT, guest_runner, toy_kernel
from tare.runners.errors import PlaceFailure
from tare.runners.guests.kvm.baseline import probe_kvm
from tare.runners.model import Job, Limits
from tare.runners.settings import GuestSettings

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=128 << 20, scratch_bytes=16 << 20)


def failure_of(runner):
    job = Job()
    with pytest.raises(PlaceFailure) as caught, runner.open(first=job) as place:
        place.run(job)
    return caught.value


@pytest.mark.parametrize("profile", ["microvm", "q35"])
def test_hang(profile, tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", HANG)
    with guest_runner(profile, LIMITS, accel="tcg", kernel=str(kernel), boot_timeout=1) as runner:
        failure = failure_of(runner)
        assert failure.reason == "the guest hangs (The agent did not say hello within 1 s.)"
        assert failure.remedy


def test_hang_of_a_place_for_many_jobs(tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", HANG)
    with (
        guest_runner("microvm", LIMITS, accel="tcg", kernel=str(kernel), boot_timeout=1) as runner,
        pytest.raises(PlaceFailure, match="the guest hangs"),
    ):
        runner.open()


def test_triple_fault(tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", TRIPLE_FAULT)
    with guest_runner("microvm", LIMITS, accel="tcg", kernel=str(kernel)) as runner:
        assert "triple fault" in failure_of(runner).reason


def test_flooded_console(tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", FLOOD)
    with guest_runner("microvm", LIMITS, accel="tcg", kernel=str(kernel), boot_timeout=1) as runner:
        failure = failure_of(runner)
        assert "the guest hangs" in failure.reason
        assert "left out)]" in failure.log
        assert len(failure.log) < 20_000


def test_noise_on_the_agents_serial_port(tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", FLOOD, virtio=False)
    with guest_runner("microvm", LIMITS, accel="tcg", kernel=str(kernel), boot_timeout=1) as runner:
        failure = failure_of(runner)
        assert "did not say hello within 1 s" in failure.reason
        assert "xxxx" in failure.log


def test_panic_is_told_with_the_console():
    with guest_runner("microvm", LIMITS, accel="tcg", cmdline="rdinit=/nonexistent") as runner:
        failure = failure_of(runner)
        assert failure.reason.startswith("the guest's kernel panicked: ")
        assert "Kernel panic" in failure.log


@pytest.mark.parametrize("profile", ["microvm", "q35"])
def test_killed_qemu(profile, tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", HANG)
    with guest_runner(profile, LIMITS, accel="tcg", kernel=str(kernel)) as runner:
        job = Job()
        with runner.open(first=job) as place:
            os.kill(place.vantage.top_pid, signal.SIGKILL)
            with pytest.raises(PlaceFailure, match="QEMU was killed by signal 9"):
                place.run(job)
        assert place.timeline["gone"] > place.timeline["spawned"]


def test_qemu_that_refuses_is_quoted():
    with guest_runner("microvm", LIMITS, accel="tcg", cpu="nonsense") as runner:
        reason = failure_of(runner).reason
        assert "QEMU ended with status 1" in reason
        assert "nonsense" in reason


def test_place_that_is_left_unused_is_ended(tmp_path):
    kernel = toy_kernel(tmp_path / "kernel", HANG)
    with guest_runner("microvm", LIMITS, accel="tcg", kernel=str(kernel)) as runner:
        runner.open(first=Job()).close()


def test_accelerator_asked_for_by_name_is_used_or_fails(tmp_path):
    from tare.runners.context import RunContext  # noqa: PLC0415
    from tare.runners.guests.qemu.runner import QemuRunner  # noqa: PLC0415
    from tare.runners.launcher.client import Launcher  # noqa: PLC0415
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    with Launcher.start(default_cache()) as launcher:
        context = RunContext("accel", tmp_path, default_cache(), launcher)
        runner = QemuRunner(context, Provision(default_cache()), GuestSettings(accel="kvm"))
        probe = runner.probe()
    floor = probe_kvm()
    assert probe.ok is (floor.figures["create_vcpu_seconds"] is not None)
    assert runner.accelerator == ("kvm" if probe.ok else "none")
    assert "(tcg)" not in runner.label
    assert floor.reason in probe.facts.accelerator_why
