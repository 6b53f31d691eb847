"""Which daemon is used and why not, what limits become, and how an engine's events become phases."""

import json
import os
import platform

import pytest

from support.docker_double import docker_double
from support.stub import Duck
from tare.runners.containers.engines import docker, usage
from tare.runners.containers.engines.api import EngineError
from tare.runners.containers.engines.docker import find_daemon
from tare.runners.containers.engines.limits import limit_options
from tare.runners.containers.engines.phases import WallClock, phase_metrics
from tare.runners.containers.engines.place import EnginePlace, Observer
from tare.runners.containers.engines.private import PrivateDocker
from tare.runners.containers.engines.variant import EngineVariant
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.model import Endpoint, Limits, Vantage

MIB = 1 << 20
FINE = {"Version": "24.0", "ApiVersion": "1.43", "KernelVersion": platform.release(), "Components": []}


@pytest.fixture
def private(tmp_path, monkeypatch):
    monkeypatch.setattr(PrivateDocker, "run_folder", tmp_path / "private")
    monkeypatch.setattr(PrivateDocker, "folder", tmp_path / "lib")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/state.json").write_text('{"made": []}')
    monkeypatch.setattr(docker, "DEFAULT_SOCKET", str(tmp_path / "default.sock"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (tmp_path / "private").mkdir()
    return PrivateDocker()


def answering(double, **changes):
    double.answers["/version"] = (200, json.dumps(FINE | changes))


def test_the_systems_daemon_comes_before_our_own(private, tmp_path):
    with docker_double(tmp_path / "default.sock") as one, docker_double(private.listens_at) as other:
        answering(one)
        answering(other)
        found = find_daemon(private)
    assert (found.socket, found.private) == (str(tmp_path / "default.sock"), None)


def test_our_own_is_taken_where_there_is_no_other(private):
    with docker_double(private.listens_at) as double:
        answering(double)
        found = find_daemon(private)
    assert (found.host, found.private) == (f"unix://{private.listens_at}", PrivateDocker("private"))


def test_a_user_who_may_not_read_its_state_still_knows_it_for_a_private_one(private, tmp_path, monkeypatch):
    (tmp_path / "lib/state.json").unlink()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with docker_double(private.listens_at) as double:
        answering(double)
        found = find_daemon(private)
    assert found.private == PrivateDocker("private")
    assert docker._bridge_network(found, {}) not in {"", None}  # it is not the host's own


def test_the_one_that_was_chosen_is_used_or_refused(private, tmp_path, monkeypatch):
    with docker_double(private.listens_at) as double:
        answering(double)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/other.sock")
        with pytest.raises(EngineError, match="no Docker daemon"):
            find_daemon(private)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{private.listens_at}")
        assert find_daemon(private).private


def test_a_daemon_elsewhere_is_no_place_on_this_host(private, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(EngineError, match="not on this host"):
        find_daemon(private)


def test_a_closed_socket_says_more_than_an_absent_one(private, tmp_path, monkeypatch):
    def version(api, **_):
        closed = api.path.endswith("default.sock")
        raise EngineError("permission denied" if closed else "no socket", absent=not closed)

    monkeypatch.setattr("tare.runners.containers.engines.api.DockerApi.version", version)
    with pytest.raises(EngineError, match="permission denied"):
        find_daemon(private)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, None), ({"KernelVersion": "5.15-linuxkit"}, "another kernel"), ({"ApiVersion": "1.40"}, "too old")],
)
def test_a_daemon_that_cannot_be_compared_is_refused(private, changes, reason):
    with docker_double(private.listens_at) as double:
        answering(double, **changes)
        refusal = docker._unsuitable(find_daemon(private))
    assert (refusal is None) if reason is None else reason in refusal[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("docker", ()),
        ("podman:host", ("--network", "host")),
        ("docker:bridge", ("--network", "bridge")),
        ("docker:privileged", ("--privileged",)),
    ],
)
def test_variants_become_options(name, options):
    assert EngineVariant.of(name).options == options


def test_limits_become_options(tmp_path, monkeypatch):
    monkeypatch.setattr("tare.runners.containers.engines.limits.disk_of", lambda _folder: "8:0")
    monkeypatch.setattr("tare.runners.containers.engines.limits._device_file", lambda disk: f"/dev/{disk}")
    limits = Limits(
        cpus=1, memory_bytes=64 * MIB, pids=7, scratch_bytes=MIB, cpuset=(0, 2), io_bytes_per_second=5 * MIB,
    )  # fmt: skip
    options = " ".join(limit_options(limits, tmp_path, host_cpus=4))
    assert options == (
        "--memory 67108864 --memory-swap 67108864 --pids-limit 7 --ulimit fsize=1048576:1048576 --cpus 1"
        " --cpuset-cpus 0,2 --device-read-bps /dev/8:0:5242880 --device-write-bps /dev/8:0:5242880"
    )
    assert "--cpus" not in limit_options(limits, tmp_path, host_cpus=1)


def test_io_on_no_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tare.runners.containers.engines.limits.disk_of", lambda _folder: "")
    limits = Limits(cpus=1, memory_bytes=64 * MIB, io_operations_per_second=5)
    with pytest.raises(PlaceFailure, match="no single disk"):
        limit_options(limits, tmp_path)


TIMELINE = {"requested": 1_000, "finished": 5_000, "gone": 9_000}
EVENTS = [("create", 102_000), ("start", 104_000), ("die", 106_000), ("remove", 108_000), ("create", 999_000)]


def values(clocks, events=EVENTS):
    return {each.name: (each.value, each.error) for each in phase_metrics(TIMELINE, events, clocks, "test")}


def test_events_become_phases_on_the_timelines_clock():
    clock = WallClock(offset_ns=-100_000, error_ns=1)
    assert values((clock, clock)) == {
        "engine.create": (1e-6, 2e-9),
        "engine.start": (2e-6, 2e-9),
        "engine.stop": (1e-6, 2e-9),
        "engine.remove": (2e-6, 2e-9),
        "engine.return": (1e-6, 2e-9),
    }


def test_a_phase_needs_both_of_its_ends():
    clock = WallClock(-100_000, 0)
    assert set(values((clock, clock), EVENTS[:1])) == {"engine.create"}
    assert values((clock, clock), []) == {}


def test_a_clock_that_was_set_meanwhile_is_in_the_error_and_leaves_out_what_it_reverses():
    found = values((WallClock(-100_000, 0), WallClock(-103_500, 0)))
    assert {error for _, error in found.values()} == {3.5e-6}
    assert found["engine.create"][0] == 0  # -2.5 µs, within the error
    assert "engine.return" in found
    assert "engine.stop" in found
    clock = WallClock(-110_000, 0)
    assert "engine.create" not in values((clock, clock))


def test_cpu_time_is_the_sum_over_the_daemons_or_unknown(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    (old / "cpuacct.usage").write_text("1500000000\n")
    (new / "cpu.stat").write_text("usage_usec 250000\nuser_usec 1\n")
    assert usage.cpu_seconds([old, new]) == 1.75
    assert usage.cpu_seconds([]) is None
    assert usage.cpu_seconds([old, tmp_path]) is None
    (metric,) = usage.cpu_metric(1.0, 1.75)
    assert (metric.name, metric.value, metric.clock) == ("engine.cpu", 0.75, "cpu-time")
    assert usage.cpu_metric(None, 1.0) == usage.cpu_metric(1.0, None) == ()


@pytest.mark.parametrize(
    ("host_address", "bridge", "answer", "way"),
    [
        ("127.0.0.1", "", {}, Endpoint("127.0.0.1", 80, "host", from_places=("127.0.0.1", 80))),
        ("10.0.0.1", "", {"bridge": {"IPAddress": "10.0.0.7"}}, Endpoint("10.0.0.7", 80, "bridge", from_places=("10.0.0.7", 80))),
        ("10.0.0.1", "/proc/7/ns/net", {"bridge": {"IPAddress": "10.0.0.7"}}, None),  # a private daemon's: root's alone
        ("10.0.0.1", None, {"bridge": {"IPAddress": "10.0.0.7"}}, None),
        (None, "", {"none": {"IPAddress": ""}}, None),
        ("10.0.0.1", "", None, None),
    ],
)  # fmt: skip
def test_the_engine_knows_the_way_to_a_place_that_its_user_may_not_look_into(
    host_address, bridge, answer, way
):
    class Api(Duck):
        def container(self, _name):
            if answer is None:
                raise TareError("gone")
            return {"NetworkSettings": {"Networks": answer}}

    class Place(EnginePlace):
        def __init__(self) -> None:
            self.host_address, self._bridge_network, self.vantage = host_address, bridge, Vantage(0, {}, 0)
            self._observer = Observer(lambda *_: [], "", address=lambda: docker._address(Api(), "c"))

    assert Place().endpoint(80) == way
