"""Firecracker and Cloud Hypervisor by a stand-in that knows their API specifications: no binary of theirs is here."""

import contextlib
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from support.launched_places import EMPTY, run_context, settled_state
from support.paths import SUPPORT
from tare.runners.errors import PlaceFailure
from tare.runners.guests.microvms import runner as module
from tare.runners.guests.microvms.runner import MicroVmRunner
from tare.runners.guests.microvms.vmms import VMMS
from tare.runners.model import Job, Limits
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache
from tare.runners.provision.tools import Provision
from tare.runners.settings import GuestSettings

pytestmark = pytest.mark.integration

LIMITS = Limits(cpus=1, memory_bytes=128 << 20, scratch_bytes=16 << 20)
STAND_IN = SUPPORT / "stand_in_vmm.py"
REQUESTS = {
    "firecracker": ["/machine-config", "/boot-source", "/drives/root", "/drives/scratch", "/actions"],
    "cloud-hypervisor": ["/api/v1/vm.create", "/api/v1/vm.boot"],
}


@pytest.fixture(autouse=True)
def kvm(monkeypatch):
    baseline = SimpleNamespace(usable=True, reason="KVM is pretended", remedy="", figures={})
    monkeypatch.setattr(module, "probe_kvm", lambda: baseline)


@contextlib.contextmanager
def stood_in(name, tmp_path, *more):
    """A prepared runner whose binary is the stand-in."""
    from tare.runners.images.build import AGENT_SOURCE  # noqa: PLC0415

    agent = build(AGENT_SOURCE, default_cache())
    record = tmp_path / "requests"
    record.touch()
    vmm = VMMS[name.removesuffix("-restored")]
    binary = tmp_path / vmm.name
    told = ("--kind", vmm.name, "--agent", str(agent), "--record", str(record), *more)
    path = os.pathsep.join(filter(None, sys.path))  # the launcher passes no environment of ours on
    binary.write_text(
        f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} {STAND_IN} {" ".join(told)} "$@"\n'
    )
    binary.chmod(0o755)
    run = f"mvm-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with run_context(run) as (context, image):
        for folder in ("dev", "proc", "sys", "tmp", "run", "scratch"):
            (image.tree / folder).mkdir(exist_ok=True)
        settings = replace(GuestSettings(), **{vmm.name.replace("-", "_"): binary})
        runner = MicroVmRunner(context, Provision(context.cache), settings, name=name)
        try:
            probe = runner.probe()
            assert probe.ok, probe.reason
            assert probe.facts.version == "stand-in v0"
            runner.prepare(image, LIMITS)
            yield runner, lambda: [json.loads(line) for line in record.read_text().splitlines()]
        finally:
            runner.close()
    assert settled_state(run) == EMPTY


@pytest.mark.parametrize("name", VMMS)
def test_a_guest_is_configured_started_spoken_to_and_ended(name, tmp_path):
    with stood_in(name, tmp_path) as (runner, requests):
        job = Job()
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        assert [path for path, _ in requests()] == REQUESTS[name]
        assert place.timeline["gone"] > place.timeline["finished"] > place.timeline["spawned"]
        assert place.context["machine"] == name
        with runner.open() as one, runner.open() as other:
            assert one.run(Job()).exit_code == other.run(Job()).exit_code == 0
            assert one.vantage.vmm
            assert one.vantage.kvm


SAVED = {
    "firecracker": [*REQUESTS["firecracker"], "/vm", "/snapshot/create"],
    "cloud-hypervisor": [*REQUESTS["cloud-hypervisor"], "/api/v1/vm.pause", "/api/v1/vm.snapshot"],
}
RESTORED = {
    "firecracker": ["/snapshot/load"],
    "cloud-hypervisor": ["/api/v1/vm.restore", "/api/v1/vm.resume"],
}


@pytest.mark.parametrize("name", VMMS)
def test_a_guest_is_saved_once_and_restored_for_every_place(name, tmp_path):
    with stood_in(f"{name}-restored", tmp_path) as (runner, requests):
        assert [path for path, _ in requests()] == SAVED[name]
        job = Job()
        with runner.open(first=job) as place:
            assert place.run(job).exit_code == 0
        marks = place.timeline
        assert marks["spawned"] < marks["restored"] < marks["ready"] < marks["started"] < marks["gone"]
        assert "agent" not in marks
        assert place.context["start"] == "restored"
        assert any("copies of one guest" in text for text in place.context["limitations"])
        with runner.open() as one, runner.open() as other:
            assert one.disk != other.disk
            assert one.run(Job()).exit_code == other.run(Job()).exit_code == 0
        assert [path for path, _ in requests()] == SAVED[name] + 3 * RESTORED[name]


@pytest.mark.parametrize(
    ("name", "path", "how", "why"),
    [
        ("firecracker", "/snapshot/create", "--refuse", "refused PUT /snapshot/create .*told to refuse"),
        ("firecracker", "/snapshot/create", "--die", "does not answer PUT /snapshot/create"),
        ("cloud-hypervisor", "/api/v1/vm.pause", "--refuse", "refused PUT /api/v1/vm.pause"),
        ("cloud-hypervisor", "/api/v1/vm.snapshot", "--die", "does not answer PUT /api/v1/vm.snapshot"),
    ],
)
def test_a_snapshot_that_fails_is_told_and_leaves_nothing(name, path, how, why, tmp_path):
    with (
        pytest.raises(PlaceFailure, match=f"no snapshot could be taken: .*{why}"),
        stood_in(f"{name}-restored", tmp_path, how, path),
    ):
        pass


def test_a_snapshot_cut_in_half_is_told(tmp_path):
    with stood_in("firecracker-restored", tmp_path) as (runner, _):
        (state,) = Path("/var/tmp").glob(f"tare-mvm-{os.getpid()}-*/snapshot-*/vmm/state")
        state.unlink()
        with pytest.raises(PlaceFailure, match=r"^Firecracker refused PUT /snapshot/load .*snapshot_path"):
            runner.open()


@pytest.mark.parametrize(
    ("name", "path"), [("firecracker", "/actions"), ("cloud-hypervisor", "/api/v1/vm.create")]
)
def test_a_refusal_is_told_in_the_vmms_words(name, path, tmp_path):
    with (
        stood_in(name, tmp_path, "--refuse", path) as (runner, _),
        pytest.raises(PlaceFailure, match=f"refused PUT {path} .*told to refuse"),
    ):
        runner.open()


def test_a_vmm_that_dies_at_once_is_told_with_its_last_line(tmp_path):
    with stood_in("firecracker", tmp_path) as (runner, _):
        (tmp_path / "firecracker").write_text("#!/bin/sh\necho no such option >&2\nexit 3\n")
        with pytest.raises(PlaceFailure, match="Firecracker ended with status 3: no such option"):
            runner.open()


@pytest.mark.parametrize("name", VMMS)
def test_without_binary_or_kvm_it_is_skipped_with_the_reason(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    probe = MicroVmRunner(None, None, GuestSettings(), name=name).probe()
    assert not probe.ok
    assert "is not installed" in probe.reason
    assert name in probe.remedy
    (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / name).chmod(0o755)
    baseline = SimpleNamespace(usable=False, reason="there is no /dev/kvm", remedy="get one", figures={})
    monkeypatch.setattr(module, "probe_kvm", lambda: baseline)
    probe = MicroVmRunner(None, None, GuestSettings(), name=name).probe()
    assert "needs KVM, and there is no /dev/kvm" in probe.reason
