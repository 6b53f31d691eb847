"""The chaos session refuses to run anything hostile here, and sees what runs leave."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.other_processes import await_exec
from tare.bench.tools.chaos import containment, hostile, inner, traces
from tare.bench.tools.chaos.containment import UncontainedError, verify


def test_this_process_is_not_contained(tmp_path):
    with pytest.raises(UncontainedError, match="not PID 1"):
        verify(tmp_path, [], "")


def test_a_pid_namespace_alone_is_not_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)
    host = str(Path("/proc/self/ns/pid").readlink())
    with pytest.raises(UncontainedError, match="is the host's"):
        verify(tmp_path, [], host)
    with pytest.raises(UncontainedError, match="other processes"):
        verify(tmp_path, [], "pid:[1]")


def test_limits_are_read_back(tmp_path):
    group = tmp_path / "group"
    group.mkdir()
    (group / "cgroup.procs").write_text("12\n")
    with pytest.raises(UncontainedError, match="is not in"):
        containment._check_limits([group])
    (group / "cgroup.procs").write_text("1\n")
    with pytest.raises(UncontainedError, match="nothing limits"):
        containment._check_limits([group])
    (group / "pids.max").write_text("max\n")
    with pytest.raises(UncontainedError, match="is not limited"):
        containment._check_limits([group])
    (group / "pids.max").write_text("256\n")
    containment._check_limits([group])


def test_nothing_is_measured_before_the_place_is_verified(tmp_path, monkeypatch):
    monkeypatch.setattr(inner, "_measured", lambda _words: pytest.fail("it was"))
    with pytest.raises(UncontainedError):
        inner.main([str(tmp_path), "", "", "--", "run"])


def test_an_ordinary_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UncontainedError, match="only root"):
        next(hostile.attack(["bare"], hostile.KINDS, tmp_path))


def test_the_program_knows_every_kind():
    known = re.findall(r'\{"([a-z-]+)", [a-z_]+\}', hostile.SOURCE.read_text())
    assert sorted(known) == sorted(hostile.KINDS)
    assert set(hostile.KINDS) >= hostile.NEVER_OK | hostile.MAY_END_THE_RUN


def test_what_a_run_leaves_is_seen(tmp_path):
    run = f"20261126-000000-{os.getpid()}"
    before, links = traces.sysctls(), traces.links()
    assert traces.left(run, (tmp_path,), before, links) == []
    (tmp_path / f"tare-{run}").mkdir()
    with subprocess.Popen(["/bin/sleep", "60"], env={"TARE_RUN": run}) as process:
        await_exec(process)
        found = traces.left(run, (tmp_path,), {**before, "vm/none": "1"}, links)
        process.kill()
    assert [one.split()[0] for one in found] == ["process", "file", "sysctl"]
