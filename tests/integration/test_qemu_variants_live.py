"""Profiles and variants of guests, under TCG: each works, and its context says what became of it."""

import contextlib
import ctypes
import os
import queue
import socket
import threading
from pathlib import Path

import pytest

from support.guests import busybox_image, guest_runner
from tare.runners.errors import PlaceFailure
from tare.runners.guests.qemu import place as place_module
from tare.runners.guests.qemu.network import has_default_route
from tare.runners.model import Job, Limits
from tare.runners.settings import GuestSettings

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=192 << 20, scratch_bytes=32 << 20)


@pytest.fixture(scope="module")
def image():
    return busybox_image()


def shell(place, image, script):
    argv = image.argv(place.root, "busybox", "sh", "-c", script)
    done = place.run(Job(argv=argv, environ=image.environ(place.root), timeout_seconds=30))
    assert (done.exit_code, done.error) == (0, ""), done.stderr
    return done.stdout.decode()


@contextlib.contextmanager
def server(place):
    """Answers each connection with the client's address, where the place says that its host is."""
    there = "127.0.0.1" if place.host_network == "" else place.host_address
    made = queue.SimpleQueue()

    def serve():
        if place.host_network:
            with Path(place.host_network).open() as namespace:
                assert ctypes.CDLL(None).setns(namespace.fileno(), 0x40000000) == 0
        with socket.create_server((there, 0)) as listening, contextlib.suppress(OSError):
            made.put(listening)
            while True:
                peer, where = listening.accept()
                with peer:
                    peer.sendall(where[0].encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    listening = made.get(timeout=10)
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.slow
def test_firmware_boots_the_kernel_from_a_disk(image):
    with guest_runner("pc", LIMITS, image=image, accel="tcg") as runner:
        job = Job()
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        assert runner.label == "qemu-pc(tcg)"
        assert (place.context["start"], place.context["machine"]) == ("firmware", "pc")
        assert place.context["kernel_form"] == "bzImage"
        times = list(place.timeline.values())
        assert times == sorted(times)


@pytest.mark.parametrize(("mode", "what"), [("user", "slirp"), ("passt", "passt")])
def test_the_users_network_reaches_the_hosts_loopback(image, mode, what):
    if mode == "passt" and not has_default_route():
        pytest.skip("passt takes an interface with a default route, and this host has none")
    runs = guest_runner(f"microvm:net={mode}", LIMITS, image=image, accel="tcg")
    with runs as runner, runner.open() as place:
        assert place.host_address == "10.0.2.2"
        # Debian 12's passt never tells the server's end to a client that has said its own before.
        with server(place) as port:
            assert shell(place, image, f"sleep 1 | busybox nc {place.host_address} {port}") == "127.0.0.1\n"
    assert what in place.context["network"]


def test_a_network_that_ends_at_once_is_told(image, monkeypatch):
    if not has_default_route():
        pytest.skip("passt takes an interface with a default route, and this host has none")
    monkeypatch.setattr(place_module, "PASST_ARGUMENTS", ("--no-such-option",))
    with (
        guest_runner("microvm:net=passt", LIMITS, image=image, accel="tcg") as runner,
        pytest.raises(PlaceFailure, match=r"^the guest's network ended with status 1$") as caught,
    ):
        runner.open()
    assert "no-such-option" in caught.value.log


def test_two_guests_on_a_bridge_reach_the_host_and_each_other(image):
    with (
        guest_runner("q35:net=tap", LIMITS, image=image, accel="tcg") as runner,
        contextlib.ExitStack() as stack,
    ):
        places = [stack.enter_context(runner.open()) for _ in range(2)]
        addresses = []
        for place in places:
            with server(place) as port:
                addresses.append(
                    shell(place, image, f"busybox nc {place.host_address} {port} </dev/null").strip()
                )
        assert len(set(addresses)) == 2
        assert "1 packets received" in shell(places[0], image, f"busybox ping -c1 -W5 {addresses[1]}")
        here = {name for _, name in socket.if_nameindex()}
        assert not here & {"bridge", "tap1", "tap2"}, "all of it is in a namespace of its own"


def test_guests_boot_at_the_same_time(image):
    with guest_runner("microvm", LIMITS, image=image, accel="tcg") as runner, contextlib.ExitStack() as stack:
        job = Job()
        places = [stack.enter_context(runner.open(first=job)) for _ in range(2)]
        assert all(place.run(job).exit_code == 0 for place in places)
        marks = [place.timeline for place in places]
        assert max(one["spawned"] for one in marks) < min(one["ready"] for one in marks)


def test_vcpus_are_pinned_and_as_many_as_asked(image):
    cpus = min(2, len(os.sched_getaffinity(0)))
    with (
        guest_runner(f"microvm:pin+cpus={cpus}", LIMITS, image=image, accel="tcg") as runner,
        runner.open() as place,
    ):
        assert shell(place, image, "busybox nproc") == f"{cpus}\n"
        assert place.context["vcpus"] == cpus
        assert place.context["vcpus_pinned_to"] == sorted(os.sched_getaffinity(0))[:cpus]


def test_disks_past_the_page_cache_by_a_thread_of_their_own(image):
    name = "q35:balloon+cache=none+aio=native+iothread+prealloc"
    with guest_runner(name, LIMITS, image=image, accel="tcg") as runner, runner.open() as place:
        shell(place, image, f"echo kept > {place.scratch}/file && busybox sync")
        context = place.context
        assert (context["disk_cache"], context["disk_aio"], context["balloon"]) == ("none", "native", "on")
        assert context["memory_allocated"] == "all"
        assert any(thread.startswith("IO disks") for thread in _threads(place.vantage.top_pid))


@contextlib.contextmanager
def huge_pages(count):
    """So many more huge pages of the usual size set aside, for as long as this lasts."""
    knob = Path("/proc/sys/vm/nr_hugepages")
    try:
        before = int(knob.read_text())
        knob.write_text(str(before + count))
    except OSError as error:
        pytest.skip(f"huge pages cannot be set aside: {error}")
    try:
        if int(knob.read_text()) < before + count:
            pytest.skip(f"this host has no room for {count} huge pages")
        yield
    finally:
        knob.write_text(str(before))
    assert int(knob.read_text()) == before


def test_memory_in_huge_pages_and_what_is_said_when_they_are_taken(image):
    needed = LIMITS.memory_bytes >> 21
    with (
        huge_pages(needed),
        guest_runner("microvm:hugetlb", LIMITS, image=image, accel="tcg") as runner,
    ):
        with runner.open() as place:
            assert shell(place, image, "echo here") == "here\n"
            assert place.context["memory_pages"] == "2048 KiB, set aside"
            with pytest.raises(PlaceFailure, match=r"^0 huge pages of 2048 KiB are free") as caught:
                runner.open()
        assert "nr_hugepages" in caught.value.remedy


def _threads(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            yield (task / "comm").read_text().strip()


def test_restored_guests_are_ready_at_once_and_each_has_its_own(image):
    with guest_runner("microvm-restored", LIMITS, image=image, accel="tcg") as runner:
        job = Job()
        for _ in range(2):
            with runner.open(first=job) as place:
                assert place.run(job).exit_code == 0
            marks = ("requested", "spawned", "restored", "ready", "started", "finished", "gone")
            assert tuple(place.timeline) == marks
            times = list(place.timeline.values())
            assert times == sorted(times)
        with runner.open() as one, runner.open() as other:
            shell(one, image, f"echo one > {one.scratch}/file && busybox sync")
            assert shell(other, image, f"busybox ls {other.scratch}") == "lost+found\n"
            assert shell(one, image, f"busybox cat {one.scratch}/file") == "one\n"
        assert place.context["limitations"]


def test_a_cpu_model_that_only_kvm_has_is_refused(image):
    from tare.runners.context import RunContext  # noqa: PLC0415
    from tare.runners.guests.qemu.runner import QemuRunner  # noqa: PLC0415
    from tare.runners.launcher.client import Launcher  # noqa: PLC0415
    from tare.runners.provision.cache import default_cache  # noqa: PLC0415
    from tare.runners.provision.tools import Provision  # noqa: PLC0415

    with Launcher.start(default_cache()) as launcher:
        context = RunContext("cpu", default_cache(), default_cache(), launcher)
        settings = GuestSettings(accel="tcg")
        probe = QemuRunner(
            context, Provision(default_cache()), settings, name="qemu-microvm:cpu=host"
        ).probe()
    assert not probe.ok
    assert "only KVM" in probe.reason
    assert "cpu=max" in probe.remedy
