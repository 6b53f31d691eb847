"""Several threads and one launcher."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from tare.runners.host.processes import await_end
from tare.runners.launcher import client
from tare.runners.launcher.client import MOST_LANES, Launcher
from tare.runners.launcher.connection import held_back
from tare.runners.launcher.processes import LauncherLostError, SpawnError, SpawnRequest
from tare.runners.launcher.steps.namespaces import MapUser, NewNamespace
from tare.runners.provision.cache import default_cache

pytestmark = pytest.mark.integration
SECONDS = 30.0
END = SpawnRequest(("/bin/sh", "-c", "exit 7"))
STAY = SpawnRequest(("/bin/sleep", "60"))


@pytest.fixture
def launcher():
    with Launcher.start(default_cache()) as launcher:
        yield launcher


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def own_children():
    return set(children(os.getpid()))


def test_each_thread_gets_the_ends_of_its_own_processes(launcher):
    def work(_number):
        ends = []
        for _ in range(5):
            spawned = launcher.spawn(END)
            ends.append((spawned.id, launcher.wait(spawned.id, SECONDS)))
        return ends

    with ThreadPoolExecutor(8) as pool:
        found = [end for ends in pool.map(work, range(8)) for end in ends]
    assert len({number for number, _ in found}) == 40
    assert all(gone.exit_code == 7 and gone.id == number for number, gone in found)


def test_one_thread_may_wait_for_what_another_has_launched(launcher):
    with ThreadPoolExecutor(3) as pool:
        spawned = [future.result() for future in [pool.submit(launcher.spawn, STAY) for _ in range(3)]]
    assert launcher.wait(spawned[1].id, 0.01) is None
    for each in spawned:
        launcher.kill(each.id)
    assert [launcher.wait(each.id, SECONDS).exit_code for each in spawned] == [-9, -9, -9]


def test_several_threads_may_wait_on_the_main_threads_launcher(launcher):
    spawned = [launcher.spawn(STAY) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(launcher.wait, each.id, SECONDS) for each in spawned]
        for each in reversed(spawned):
            launcher.kill(each.id)
        assert [future.result().id for future in waiting] == [each.id for each in spawned]


def test_a_refusal_reaches_the_thread_that_asked(launcher):
    def work(number):
        argv = ("/nothing-is-here",) if number % 2 else ("/bin/true",)
        try:
            spawned = launcher.spawn(SpawnRequest(argv))
            return launcher.wait(spawned.id, SECONDS).exit_code
        except SpawnError as error:
            return error.what

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(8)))
    assert found == [0, "cannot start the program /nothing-is-here"] * 4


def test_threads_are_served_at_the_same_time_and_the_main_thread_by_the_first_process(launcher):
    gate = threading.Barrier(4, timeout=SECONDS)

    def work(_number):
        with held_back(lambda: cast("None", gate.wait())):
            return launcher.spawn(STAY)

    main = launcher.spawn(STAY)
    with ThreadPoolExecutor(4) as pool:
        spawned = list(pool.map(work, range(4)))
    parents = {
        int(Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()[1]) for each in spawned
    }
    assert len(parents) == 4
    assert launcher.pid not in parents
    assert main.pid in children(launcher.pid)


def test_a_launch_is_held_back_once_until_its_gate_opens(launcher):
    opened = []
    with held_back(lambda: opened.append(time.monotonic_ns())):
        first, second = launcher.spawn(END), launcher.spawn(END)
    assert len(opened) == 1
    assert opened[0] < first.requested_ns < second.requested_ns


def test_a_gate_that_does_not_open_launches_nothing(launcher):
    def gate():
        raise RuntimeError("too late")

    before = children(launcher.pid)
    with pytest.raises(RuntimeError, match="too late"), held_back(gate):
        launcher.spawn(STAY)
    launcher.ping()
    assert children(launcher.pid) == before
    assert launcher.wait(launcher.spawn(END).id, SECONDS).exit_code == 7


def test_closing_ends_every_lane_and_all_that_it_launched():
    before = own_children()
    with Launcher.start(default_cache()) as launcher, ThreadPoolExecutor(3) as pool:
        spawned = list(pool.map(lambda _number: launcher.spawn(STAY), range(3)))
    assert own_children() == before
    assert not any(Path(f"/proc/{each.pid}").exists() for each in spawned)


def test_more_threads_than_lanes_share_them(launcher):
    with ThreadPoolExecutor(MOST_LANES + 3) as pool:
        gate = threading.Barrier(MOST_LANES + 3, timeout=SECONDS)

        def work(_number):
            gate.wait()
            spawned = launcher.spawn(END)
            return launcher.wait(spawned.id, SECONDS).exit_code

        assert set(pool.map(work, range(MOST_LANES + 3))) == {7}


def test_lanes_of_an_inner_launcher_have_its_steps_behind_them(launcher):
    user = (NewNamespace("user"), MapUser(os.getuid(), os.getgid()))
    try:
        inner = launcher.inside((*user, NewNamespace("uts")), {"TARE_RUN": "threads"})
    except SpawnError as error:
        pytest.skip(f"no user namespaces here: {error}")

    def work(_number):
        spawned = inner.spawn(STAY)
        return Path(f"/proc/{spawned.pid}/ns/uts").readlink()

    with inner, ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(3)))
    assert Path("/proc/self/ns/uts").readlink() not in found


def test_a_killed_launcher_is_noticed_and_started_again(launcher):
    spawned = launcher.spawn(STAY)
    inner = launcher.inside((), {})
    assert not launcher.lost
    for _ in range(2):  # the second time it is the one that was started again
        before = launcher.pid
        os.kill(before, signal.SIGKILL)
        with pytest.raises(LauncherLostError):
            launcher.wait(spawned.id, SECONDS)
        assert launcher.lost
        inner.close()
        launcher.restart()
        assert not launcher.lost
        assert launcher.pid != before
        with pytest.raises(LauncherLostError):
            launcher.kill(spawned.id)
        with ThreadPoolExecutor(2) as pool:
            ends = [pool.submit(lambda: launcher.wait(launcher.spawn(END).id, SECONDS)) for _ in range(4)]
            assert [end.result().exit_code for end in ends] == [7] * 4
        spawned, inner = launcher.spawn(STAY), launcher.inside((), {})
    inner.close()
    assert len(own_children()) <= 3  # nothing is left of the launchers that were killed


def test_a_lost_thread_lane_counts_as_the_launcher(launcher):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: launcher.wait(launcher.spawn(END).id, SECONDS)).result().exit_code == 7
    lane = launcher._lanes[1].pid
    os.kill(lane, signal.SIGKILL)
    assert await_end(lane, SECONDS)
    assert launcher.lost
    launcher.restart()
    assert launcher.wait(launcher.spawn(END).id, SECONDS).exit_code == 7


@pytest.mark.parametrize("depth", [0, 1])
def test_processes_get_the_users_limit_of_open_files_back(monkeypatch, depth):
    monkeypatch.setattr(client, "_users_files", lambda: "77")
    with ExitStack() as stack:
        innermost = stack.enter_context(Launcher.start(default_cache()))
        for _ in range(depth):
            innermost = stack.enter_context(innermost.inside((), {}))
        for words, status in (("[ `ulimit -Sn` = 77 ]", 0), ("[ `ulimit -Hn` = 77 ]", 1)):
            spawned = innermost.spawn(SpawnRequest(("/bin/sh", "-c", words)))
            assert innermost.wait(spawned.id).exit_code == status
