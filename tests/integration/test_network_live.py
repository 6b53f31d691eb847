"""Round trips and streams between real places and the host, over loopback, plain pairs, bridge and NAT."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.inside_program import with_program
from support.launched_places import EMPTY, run_context, settled_state
from tare.bench.experiments.base import Lab
from tare.bench.experiments.network import Latency, Stream
from tare.bench.measurable import CrowdSettings
from tare.runners.bare import Bare
from tare.runners.containers.namespaces.runner import Namespaces
from tare.runners.errors import PlaceFailure
from tare.runners.inside import net
from tare.runners.model import Limits

ENDS = (Latency(), Stream(), Latency(ends="within"), Stream(ends="places"))
LIMITS = Limits(cpus=1, memory_bytes=256 << 20)


@pytest.mark.parametrize(
    "name",
    ["bare", "namespaces:+uts+ipc", "namespaces:veth", "namespaces:bridge", "namespaces:nat"],
)
def test_bytes_arrive_and_nothing_stays(name):
    with (
        run_context() as (context, image),
        closing(Bare(context) if name == "bare" else Namespaces(context, name)) as runner,
    ):
        probe = runner.probe()
        if not probe.ok:
            assert os.getuid()
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(with_program(image), LIMITS)
        lab = Lab(runner, image, LIMITS, context, None, CrowdSettings(), 0.02, print)
        found = {m.name: m.value for e in ENDS for m in e.perform(lab).metrics}
        assert found["net.round_trips.rate"] > 0
        assert 0 < found["net.round_trip.p50"] <= found["net.round_trip.p99"] <= found["net.round_trip.max"]
        assert found["net.stream.out"] > 0
        assert found["net.stream.in"] > 0
    assert settled_state(context.run) == EMPTY


HARDWARE_ADDRESS = """
import fcntl, socket
with socket.socket() as any_socket:
    print(fcntl.ioctl(any_socket, 0x8927, b"tare0" + bytes(35))[18:24].hex())  # SIOCGIFHWADDR
"""


def test_the_bridge_keeps_its_hardware_address_when_places_come_and_go():
    with run_context() as (context, image), closing(Namespaces(context, "namespaces:bridge")) as runner:
        probe = runner.probe()
        if not probe.ok:
            assert os.getuid()
            pytest.skip(f"{probe.reason}; {probe.remedy}")
        runner.prepare(image, LIMITS)
        found = set()
        for _ in range(3):
            with runner.open() as place:
                user = Path(place.host_network).with_name("user")
                into_user = [f"--user={user}", "--preserve-credentials"] if os.getuid() else []
                into = ["nsenter", *into_user, f"--net={place.host_network}"]
                command = [*into, sys.executable, "-c", HARDWARE_ADDRESS]
                found.add(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1


def test_an_address_that_nobody_has_is_served_on_loopback():
    with run_context() as (context, image), net.server(context, with_program(image), "192.0.2.7", "") as port:
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert f"0100007F:{port:04X}" in listening


def test_a_server_that_cannot_listen_says_why():
    with (
        run_context() as (context, image),
        pytest.raises(PlaceFailure, match="does not listen"),
        net.server(context, with_program(image), "not an address", ""),
    ):
        pass
