"""Limits are verified once: what makes earlier findings hold, and what makes them void."""

import os
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from support.campaigns import IMAGE
from tare.results.environment import CpuProbe, HostFacts, IoProbe, LimitsSeen, MemoryProbe, PidsProbe
from tare.runners.fake import FakeRunner
from tare.runners.inside import limits_cache as module
from tare.runners.inside.limits_cache import Circumstances, code_digest, verify_once
from tare.runners.model import Limits, Probe
from tare.runners.settings import GuestSettings, RunnerSettings

FOUND = LimitsSeen(
    cpus=(0, 1),
    memory_seen_bytes=None,
    cgroup_files={},
    guest=False,
    memory=MemoryProbe(end="killed"),
    pids=PidsProbe(end="refused", reached=510, asked=512),
)
HERE = Circumstances(
    image=IMAGE, limits=Limits(2, 1 << 30), probe=Probe(ok=True), settings=RunnerSettings(), tools={}
)
BOX = FakeRunner("box")


@pytest.fixture
def verified(monkeypatch):
    """Keep the labels of runners that were verified, and let the test say what is found."""

    class Labels(list[str]):
        answer = FOUND

        def verify(self, runner, _limits):
            self.append(runner.label)
            return self.answer

    labels = Labels()
    monkeypatch.setattr(module, "verify", labels.verify)
    return labels


def test_the_second_run_is_told_what_the_first_found_and_when(tmp_path, verified):
    first = verify_once(tmp_path, BOX, HERE)
    second = verify_once(tmp_path, BOX, HERE)
    assert verified == ["box"]
    assert first == FOUND
    assert second == msgspec.structs.replace(FOUND, verified=second.verified)
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(second.verified) < timedelta(seconds=60)


@pytest.mark.parametrize(
    "changed",
    [
        {"limits": Limits(1, 1 << 30)},
        {"probe": Probe(ok=True, facts=HostFacts(cgroups="v1"))},
        {"settings": RunnerSettings(guest=GuestSettings(cpu="max"))},
        {"tools": {"runc": "/nowhere/runc"}},
    ],
)
def test_other_circumstances_are_verified_anew(tmp_path, verified, changed):
    verify_once(tmp_path, BOX, HERE)
    assert verify_once(tmp_path, BOX, replace(HERE, **changed)).verified == ""
    assert verify_once(tmp_path, FakeRunner("other"), HERE).verified == ""
    assert verified == ["box", "box", "other"]


@pytest.mark.parametrize(("accelerator", "times"), [("none", 1), ("tcg", 2), ("kvm", 2)])
def test_another_image_matters_to_guests_alone(tmp_path, verified, accelerator, times):
    box = FakeRunner("box")
    box.accelerator = accelerator
    for image in (IMAGE, replace(IMAGE, key="other")):
        verify_once(tmp_path, box, replace(HERE, image=image))
    assert len(verified) == times


@pytest.mark.parametrize(
    ("name", "value"), [("boot_id", "other"), ("read", "0::/other"), ("code_digest", "other")]
)
def test_another_boot_cgroup_or_code_is_verified_anew(tmp_path, verified, monkeypatch, name, value):
    verify_once(tmp_path, BOX, HERE)
    monkeypatch.setattr(module, name, lambda *_: value)
    verify_once(tmp_path, BOX, HERE)
    assert len(verified) == 2


def test_a_program_built_anew_under_its_path_is_verified_anew(tmp_path, verified):
    tool = tmp_path / "runc"
    tool.write_text("old")
    here = replace(HERE, tools={"runc": str(tool)})
    for content in ("old", "newer"):
        tool.write_text(content)
        verify_once(tmp_path, BOX, here)
    assert len(verified) == 2


@pytest.mark.parametrize("shift", [timedelta(days=-1, seconds=-1), timedelta(seconds=60)])
def test_findings_that_are_old_or_from_the_future_are_not_used(tmp_path, verified, shift):
    verify_once(tmp_path, BOX, HERE)
    (kept,) = (tmp_path / "limits").iterdir()
    then = (datetime.now(UTC) + shift).isoformat()
    kept.write_bytes(msgspec.json.encode(msgspec.structs.replace(FOUND, verified=then)))
    assert verify_once(tmp_path, BOX, HERE).verified == ""
    assert len(verified) == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"kind":"seen"}', b"[" * 100_000])
def test_damaged_findings_are_found_again(tmp_path, verified, content):
    verify_once(tmp_path, BOX, HERE)
    (kept,) = (tmp_path / "limits").iterdir()
    kept.write_bytes(content)
    assert verify_once(tmp_path, BOX, HERE) == FOUND
    assert verify_once(tmp_path, BOX, HERE).verified


@pytest.mark.parametrize(
    "unclear",
    [
        {"memory": MemoryProbe(end="not tried", why="a reason")},
        {"pids": PidsProbe(end="not tried", asked=512, why="slow")},
        {"cpu": CpuProbe(why="a reason")},
        {"cpu": CpuProbe(used=1.2)},
        {"io": IoProbe(why="a reason")},
    ],
)
def test_what_was_not_found_out_is_tried_in_the_next_run(tmp_path, verified, unclear):
    verified.answer = msgspec.structs.replace(FOUND, **unclear)
    verify_once(tmp_path, BOX, HERE)
    assert verify_once(tmp_path, BOX, HERE).verified == ""
    assert len(verified) == 2


def test_a_host_that_does_not_tell_its_boot_keeps_nothing(tmp_path, verified, monkeypatch):
    monkeypatch.setattr(module, "boot_id", lambda: "")
    verify_once(tmp_path, BOX, HERE)
    verify_once(tmp_path, BOX, HERE)
    assert len(verified) == 2
    assert not (tmp_path / "limits").exists()


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path, verified):
    (tmp_path / "limits").write_text("a file")
    assert verify_once(tmp_path, BOX, HERE) == FOUND


def test_every_source_of_the_runners_is_part_of_the_codes_hash(tmp_path):
    (tmp_path / "inside").mkdir()
    digests = []
    for name in ("a.py", "inside/limits.h", "inside/inside.c"):
        (tmp_path / name).write_text(name)
        code_digest.cache_clear()
        digests.append(code_digest(tmp_path))
    os.utime(tmp_path / "a.py", ns=(0, 0))
    code_digest.cache_clear()
    digests.append(code_digest(tmp_path))
    assert len(set(digests)) == 4
    code_digest.cache_clear()
