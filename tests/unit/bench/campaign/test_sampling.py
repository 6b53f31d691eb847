import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from support.campaigns import IMAGE
from tare.bench.campaign import sampling
from tare.bench.campaign.sampling import (
    documents,
    entering,
    is_sampled_inside,
    own_pid,
    trouble,
    why_nothing,
)
from tare.runners.errors import PlaceFailure, TareError
from tare.runners.fake import FakeRunner
from tare.runners.host import endings
from tare.runners.model import Vantage


@pytest.mark.parametrize(
    ("code", "said", "says"),
    [
        (-9, "", "py-spy was killed by signal 9 (SIGKILL): "),
        (-15, "", "py-spy was killed by signal 15 (SIGTERM)"),
        (3, "", "py-spy failed: ended with status 3; "),
        (1, "one\nPermission denied\n", "py-spy failed: Permission denied; "),
    ],
)
def test_a_profiler_that_ends_badly_says_how_even_without_a_word(code, said, says):
    assert trouble(code, said, None).startswith(says)


def test_a_place_without_python_is_no_trouble():
    assert (
        trouble(1, "Error: No python processes found in process 7 or any of its subprocesses\n", None) == ""
    )


def test_a_profiler_that_was_killed_for_its_memory_says_so(monkeypatch):
    monkeypatch.setattr(endings, "oom_kills", lambda: 5)
    assert "because memory ran out" in trouble(-9, "", 4)


def test_documents_that_follow_each_other_are_taken_apart():
    assert documents(b'{"a": "}{"}\n{"b": 1} ') == [b'{"a": "}{"}', b'{"b": 1}']
    with pytest.raises(PlaceFailure, match="not JSON"):
        documents(b'{"a": 1} cat: no such file')


def proc(tmp_path, kind_of_other):
    for who in ("self", "9"):
        (tmp_path / who / "ns").mkdir(parents=True)
        for kind in ("pid", "user"):
            other = who == "9" and kind in kind_of_other
            (tmp_path / who / "ns" / kind).symlink_to(f"{kind}:[{2 if other else 1}]")
    (tmp_path / "9/status").write_text("Name:\tagent\nNSpid:\t9\t1\n")
    return tmp_path


def test_a_place_with_process_ids_of_its_own_is_entered(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    shared, own, rootless = (
        proc(tmp_path / name, kinds) for name, kinds in (("a", ()), ("b", ("pid",)), ("c", ("pid", "user")))
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert entering(9, shared) == ()
    assert entering(9, own) == ("/bin/nsenter", "--target", "9", "--mount", "--pid", "--")
    assert "--user" in entering(9, rootless)
    assert own_pid(9, own) == 1
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "--user" not in entering(9, rootless)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TareError, match="util-linux"):
        entering(9, own)


SPY = f"""#!{sys.executable} -I
import json, signal, sys, time
output = sys.argv[sys.argv.index("--output") + 1]
def end(*_):
    json.dump(sys.argv[1:], open(output, "w"))
    sys.exit(0)
signal.signal(signal.SIGINT, end)
time.sleep(20)
"""


def test_py_spy_on_the_host_is_told_to_write_when_the_block_ends(tmp_path, monkeypatch):
    program = tmp_path / "py-spy"
    program.write_text(
        SPY.replace("time.sleep(20)", 'open(sys.argv[0] + ".ready", "w").close(); time.sleep(20)')
    )
    program.chmod(0o755)
    monkeypatch.setattr(sampling, "py_spy", lambda: program)
    place = FakeRunner("box").open()
    place.vantage = Vantage(os.getpid())
    with sampling.sampling(place, IMAGE, emulated=False) as sampler:
        wait_for(program.with_name("py-spy.ready"))
    (found,) = map(json.loads, sampler.sampled.documents)
    assert found[:4] == ["record", "--subprocesses", "--function", "--pid"]
    assert found[4] == str(os.getpid())
    assert sampler.sampled.trouble == ""


def wait_for(path):
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.005)


def test_a_guest_without_a_shell_says_so():
    place = FakeRunner("guest").open()
    with pytest.raises(TareError, match="no busybox"), sampling.sampling(place, IMAGE, emulated=True):
        pass


def test_a_kernel_that_lets_root_alone_look_is_named(tmp_path, monkeypatch):
    scope = tmp_path / "sys/kernel/yama/ptrace_scope"
    scope.parent.mkdir(parents=True)
    scope.write_text("1\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "ptrace_scope is 1 here" in why_nothing(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "ptrace_scope" not in why_nothing(tmp_path)


@pytest.fixture
def forbidden(tmp_path, monkeypatch):
    """Give a /proc whose process 7 belongs to somebody else, and is 1 in its namespace unless a test says otherwise."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7/status").write_text("Name:\ttare-agent\nNSpid:\t7\t1\n")

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "readlink", refuse)
    return tmp_path


def test_a_container_of_somebody_elses_daemon_is_sampled_from_inside(forbidden):
    assert is_sampled_inside(Vantage(7, {}, 7), forbidden)


def test_a_place_of_somebody_else_whose_agent_is_not_the_first_process_says_why_not(forbidden):
    (forbidden / "7/status").write_text("NSpid:\t7\n")
    with pytest.raises(TareError, match=r"belong to another user .*run as root"):
        is_sampled_inside(Vantage(7, {}, 7), forbidden)


def test_a_place_that_the_host_may_look_into_is_sampled_from_there_and_a_guest_never():
    assert not is_sampled_inside(Vantage(os.getpid(), {}, os.getpid()))
    assert is_sampled_inside(Vantage(os.getpid(), {}, 0, shared_with_host=False))
