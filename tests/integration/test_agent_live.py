"""The real agent as a plain child and as PID 1, with programs that behave and programs that do not."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.paths import ROOT
from tare.runners.agent.session import AgentSession, preload
from tare.runners.errors import PlaceFailure
from tare.runners.model import Job
from tare.runners.native.build import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration

SOURCE = ROOT / "runners" / "agent" / "agent.c"
PYTHON = os.path.realpath(sys.executable)
AS_ROOT = os.geteuid() == 0
NEW_PID = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
if not AS_ROOT:
    NEW_PID += ["--user", "--map-root-user"]


class Place(NamedTuple):
    process: subprocess.Popen[bytes]
    channel: socket.socket
    session: AgentSession


@pytest.fixture(scope="session")
def agent(tmp_path_factory) -> Path:
    return build(SOURCE, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def launch(agent) -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def start(*, preloaded: bytes = b"", pid_1: bool = False) -> Place:
        ours, theirs = socket.socketpair()
        if preloaded:
            ours.sendall(preloaded)
        command = ["tare-agent", "r1", str(theirs.fileno())]
        if pid_1:
            command = [*NEW_PID, str(agent), *command[1:]]
        # An ignored signal and an open file that no job may inherit.
        process = subprocess.Popen(
            command, executable=None if pid_1 else agent, pass_fds=[theirs.fileno()], restore_signals=False
        )
        theirs.close()
        places.append(Place(process, ours, AgentSession(ours)))
        return places[-1]

    yield start
    for place in places:
        place.channel.close()
        place.process.wait(10)


@pytest.fixture(params=[False, True], ids=["child", "pid 1"])
def place(request, launch) -> Place:
    """Both lives of the agent on this host."""
    if request.param:
        need_pid_namespace()
    return launch(pid_1=request.param)


def need_pid_namespace() -> None:
    tried = subprocess.run([*NEW_PID, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no PID namespaces here: {tried.stderr.decode().strip()}")


def python(code: str, **options) -> Job:
    return Job((PYTHON, "-I", "-S", "-c", code), **{"timeout_seconds": 60, **options})


def shell(code: str, **options) -> Job:
    return Job(("/bin/sh", "-c", code), **{"timeout_seconds": 60, **options})


def marked_processes(mark: str) -> list[str]:
    """
    Host pids with the mark as an argument, zombies left out (their command line is empty).

    A shell whose code names the mark is not meant: it may stand for the program that it is about to start.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def mark() -> str:
    return f"tare-test-{os.getpid()}-{time.monotonic_ns()}"


def test_hello_and_the_null_job(place):
    before = time.monotonic_ns()
    hello = place.session.hello(10)
    assert hello.born_ns <= hello.ready_ns
    assert not hello.is_guest
    result = place.session.run(Job())
    assert (result.exit_code, result.usage, result.stdout, result.error) == (0, None, b"", "")
    assert before <= result.started_ns <= result.finished_ns <= time.monotonic_ns()
    place.session.exit()
    assert place.process.wait(10) == 0


def test_it_connects_to_a_socket_that_it_is_given_the_path_of(agent, tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "channel"))
        listening.listen(1)
        with subprocess.Popen(["tare-agent", "r1", str(tmp_path / "channel")], executable=agent) as process:
            with listening.accept()[0] as channel:
                session = AgentSession(channel)
                assert session.run(Job()).exit_code == 0
            assert process.wait(10) == 0


def test_it_says_which_socket_it_cannot_reach(agent, tmp_path):
    done = subprocess.run(
        ["tare-agent", "r1", str(tmp_path / "none")],
        executable=agent,
        capture_output=True,
        check=False,
        timeout=10,
    )
    assert done.returncode == 1
    assert f"{tmp_path}/none" in done.stderr.decode()
    assert b"ENOENT" in done.stderr


def test_it_knows_what_it_is(launch):
    place = launch()
    hello = place.session.hello(10)
    assert (hello.pid, hello.is_pid_1) == (place.process.pid, False)
    assert Path(f"/proc/{hello.pid}/comm").read_text() == "tare-agent\n"
    need_pid_namespace()
    hello = launch(pid_1=True).session.hello(10)
    assert (hello.pid, hello.is_pid_1) == (1, True)


@pytest.mark.parametrize("job", [Job(), shell("echo out; exit 3")], ids=["null", "real"])
def test_a_preloaded_job_runs_and_the_agent_leaves_by_itself(launch, job):
    place = launch(preloaded=preload(job))
    result = place.session.collect(job, 10)
    assert result.stdout == (b"out\n" if job.argv else b"")
    assert result.exit_code == (3 if job.argv else 0)
    assert place.process.wait(10) == 0


def test_a_real_job(place):
    result = place.session.run(
        Job(("/bin/sh", "-c", 'echo "$A $B"; pwd; cat >&2; kill -9 $$'), {"A": "ä", "B": ""}, "/usr", b"in")
    )
    assert result.stdout == "ä \n/usr\n".encode()
    assert result.stderr == b"in"
    assert (result.exit_code, result.signal) == (None, 9)
    assert result.usage is not None
    assert result.usage.peak_rss_bytes > 100_000
    assert result.inside_seconds > 0


def test_usage_is_the_jobs_own(place):
    result = place.session.run(python("sum(range(3000000)); b = bytearray(50 << 20)"))
    assert result.usage is not None
    assert result.usage.user_seconds > 0
    assert result.usage.peak_rss_bytes > 50 << 20
    assert result.usage.minor_faults > 0
    light = place.session.run(Job(("/bin/true",)))
    assert light.usage is not None
    assert light.usage.peak_rss_bytes < 50 << 20


def test_jobs_get_no_descriptors_signals_or_environment_of_ours(place):
    code = """
import os, signal
print(sorted(map(int, os.listdir("/proc/self/fd")))[:3], len(os.listdir("/proc/self/fd")))
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(status["SigBlk"], os.getsid(0) == os.getpid(), sorted(os.environ))
"""
    result = place.session.run(python(code, environ={"ONLY": "this"}))
    lines = result.stdout.decode().splitlines()
    assert lines[0] == "[0, 1, 2] 4"  # the fourth is the listing's own
    assert lines[1].startswith("0000000000000000 True ['")
    assert set(eval(lines[1].split("True ")[1])) <= {"ONLY", "LC_CTYPE"}  # noqa: S307 - our own output
    ignored = place.session.run(Job(("/bin/sh", "-c", "grep SigIgn /proc/self/status")))
    assert ignored.stdout.split() == [b"SigIgn:", b"0000000000000000"]


def test_empty_stdin_is_at_its_end(place):
    assert place.session.run(Job(("/bin/cat",))).stdout == b""


def test_a_job_larger_than_a_frame(place):
    data = os.urandom(3_000_000)
    result = place.session.run(
        Job(("/bin/cat",), {"LONG": "x" * 100_000}, stdin=data, output_limit_bytes=4 << 20)
    )
    assert result.stdout == data


def test_binary_output_and_invalid_utf8(place):
    result = place.session.run(shell(r"printf 'TARE\001\377\376\000end'; printf '\300\200' >&2"))
    assert result.stdout == b"TARE\x01\xff\xfe\0end"
    assert result.stderr == b"\xc0\x80"


def test_an_output_flood_is_bounded_and_counted(place):
    hello = place.session.hello(10)
    result = place.session.run(shell("head -c 200000000 /dev/zero; echo end >&2", output_limit_bytes=100_001))
    assert result.stdout == bytes(100_001)
    assert result.stdout_bytes == 200_000_000
    assert result.stderr == b"end\n"
    if not hello.is_pid_1:
        status = Path(f"/proc/{place.process.pid}/status").read_text()
        assert int(status.split("VmHWM:")[1].split()[0]) < 2048


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (Job(("/no/such/program",)), "cannot execute /no/such/program: ENOENT"),
        (Job(("/etc/passwd",)), "cannot execute /etc/passwd: EACCES"),
        (Job(("/bin/true",), directory="/no/such"), "cannot enter /no/such: ENOENT"),
    ],
)
def test_what_cannot_be_started_is_told(place, job, error):
    result = place.session.run(job)
    assert (result.exit_code, result.error) == (127, error)
    assert place.session.run(Job(("/bin/true",))).error == ""


def test_a_job_with_too_many_arguments_is_refused_and_the_agent_lives(place):
    with pytest.raises(PlaceFailure, match="more than 8192 arguments"):
        place.session.run(Job(("/bin/true", *["x"] * 9000)))
    assert place.session.run(Job(("/bin/true",))).exit_code == 0


def test_a_program_that_ignores_sigterm_is_killed(place):
    result = place.session.run(
        shell("trap '' TERM; echo here; while :; do sleep 1; done", timeout_seconds=0.5)
    )
    assert (result.signal, result.timed_out, result.stdout) == (9, True, b"here\n")


def test_a_program_that_ends_well_on_sigterm_has_timed_out_all_the_same(place):
    code = "trap 'echo bye; exit 4' TERM; echo here; while :; do sleep 0.05; done"
    result = place.session.run(shell(code, timeout_seconds=0.5))
    assert (result.exit_code, result.timed_out, result.stdout) == (4, True, b"here\nbye\n")


def test_a_flood_without_end_is_ended(place):
    result = place.session.run(shell("exec cat /dev/zero", timeout_seconds=0.5, output_limit_bytes=10))
    assert (result.timed_out, result.stdout) == (True, bytes(10))
    assert result.stdout_bytes > 10


def test_kill_ends_the_running_job(place):
    place.session.hello(10)
    place.session.kill()  # none runs: nothing happens
    job = shell("sleep 60; sleep 60")
    place.channel.sendall(preload(job, leave=False))
    place.session.kill()
    result = place.session.collect(job, 10)
    assert (result.signal, result.timed_out) == (15, False)


BACKGROUND = {
    "session": "(exec setsid {sleep}) & echo main",
    "held stdout": "{sleep} & echo main",
    "double fork": "((exec setsid {sleep}) &) ; ((exec {sleep}) &) ; echo main",
}


@pytest.mark.parametrize("code", BACKGROUND.values(), ids=BACKGROUND)
def test_what_a_job_leaves_behind_is_killed_and_does_not_hold_it_up(place, code):
    name = mark()
    sleep = f'{PYTHON} -I -S -c "import time; time.sleep(60)" {name}'
    result = place.session.run(shell(code.format(sleep=sleep)))
    assert (result.exit_code, result.stdout, result.timed_out) == (0, b"main\n", False)
    assert not marked_processes(name)
    assert place.session.run(Job(("/bin/true",))).exit_code == 0


FORKS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("bomb", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:  # bounded, in number and in time, should the agent fail
    if len(os.listdir("/proc")) > BOUND:
        time.sleep(0.001)
    elif os.fork() == 0:
        os.setsid()
"""


def test_a_fork_bomb_that_ignores_sigterm_is_ended(place):
    name = mark()
    bound = len(list(Path("/proc").iterdir())) + 300
    code = FORKS.replace("BOUND", str(bound if not place.session.hello(10).is_pid_1 else 300))
    job = Job((PYTHON, "-I", "-S", "-c", code, name), timeout_seconds=1)
    result = place.session.run(job)
    assert (result.timed_out, result.signal, result.error) == (True, 9, "")
    assert result.stdout.startswith(b"bomb\n")
    assert not marked_processes(name)


def test_a_dead_host_takes_the_job_along(place):
    name = mark()
    place.session.hello(10)
    code = f"setsid {PYTHON} -I -S -c 'import time; time.sleep(60)' {name} & echo on; exec sleep 60"
    place.channel.setblocking(True)
    place.channel.sendall(preload(shell(code), leave=False))
    while b"on\n" not in place.channel.recv(65536):
        pass
    assert settled(name, 1) == 1
    place.channel.close()
    assert place.process.wait(10) == 0
    assert not marked_processes(name)


def test_a_second_job_while_one_runs_is_refused(launch):
    place = launch()
    place.channel.sendall(preload(shell("sleep 0.3; echo first"), leave=False) * 2)
    place.session.hello(10)
    with pytest.raises(PlaceFailure, match="another job is running"):
        place.session.collect(shell(""), 10)


def test_a_service_outlives_jobs_and_keeps_its_processes(place):
    """Killing what a job leaves, a fork bomb or not, spares the service, its children and its orphans."""
    name, left = mark(), mark()
    sleep = f'{PYTHON} -I -S -c "import time; time.sleep(60)"'
    service = place.session.start(shell(f"{sleep} {name} & ({sleep} {name} &); echo up; wait"))
    assert service.wait_for(lambda one: one.output == b"up\n", 10)
    assert settled(name, 2) == 2
    result = place.session.run(shell(f"(exec setsid {sleep} {left}) & ({sleep} {left} &); echo main"))
    assert (result.exit_code, result.stdout, result.error) == (0, b"main\n", "")
    assert place.session.run(shell("sleep 60", timeout_seconds=0.1)).timed_out
    assert (len(marked_processes(left)), len(marked_processes(name)), service.look()) == (0, 2, "")
    service.stop()
    assert not marked_processes(name)
    assert "SIGTERM" in service.ended
    assert place.session.run(Job(("/bin/true",))).exit_code == 0


def test_a_service_floods_forks_and_dies_and_takes_only_itself_along(place):
    name = mark()
    flood = place.session.start(Job(("/bin/cat", "/dev/zero"), output_limit_bytes=10))
    bomb = shell(
        f"trap '' TERM; while :; do {PYTHON} -I -S -c 'import time; time.sleep(9)' {name} & sleep 0.05; done"
    )
    forking, dying = place.session.start(bomb), place.session.start(shell("echo oh >&2; exit 3"))
    assert not dying.wait_for(lambda one: b"never" in one.output, 10)
    assert dying.ended == "ended with status 3: oh"
    assert place.session.run(shell("echo main")).stdout == b"main\n"
    assert (flood.look(), flood.output) == ("", bytes(10))
    forking.stop()
    assert not marked_processes(name)
    assert (flood.look(), "SIGKILL" in forking.ended) == ("", True)
    flood.stop()
    for _ in range(9):  # slots are free again, as often as one likes
        assert place.session.start(shell("true")).wait_for(lambda one: bool(one.ended), 10)


def test_what_a_service_cannot_be_is_told(place):
    missing = place.session.start(Job(("/not/there",)))
    missing.wait_for(lambda one: False, 10)
    assert missing.ended == "cannot execute /not/there: ENOENT"
    for _ in range(8):
        place.session.start(shell("exec sleep 60"))
    with pytest.raises(PlaceFailure, match="eight services are running"):
        place.session.start(shell("exec sleep 60"))
    assert place.session.run(Job(("/bin/true",))).exit_code == 0


def test_a_dead_host_takes_the_services_along(place):
    name = mark()
    code = f"setsid {PYTHON} -I -S -c 'import time; time.sleep(60)' {name} & exec sleep 60"
    place.session.start(shell(code))
    assert settled(name, 1) == 1
    place.channel.close()
    assert place.process.wait(10) == 0
    assert not marked_processes(name)


def settled(name: str, wanted: int) -> int:
    """
    Count the marked processes until there are as many as wanted, or for ten seconds.

    What was counted is returned, not a second look: a process that executes another program has no command line for a moment.
    """
    deadline = time.monotonic() + 10
    while (seen := len(marked_processes(name))) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen


def test_orphans_are_reaped_while_a_job_runs(place):
    code = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)  # its parent is gone: the agent's to reap
        os._exit(0)
    os.wait()
end = time.monotonic() + 10
while time.monotonic() < end:
    zombies = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, parent = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        zombies += state == "Z" and int(parent) == os.getppid()
    if not zombies:
        break
print(zombies)
"""
    assert place.session.run(python(code)).stdout == b"0\n"


@pytest.mark.skipif(not AS_ROOT, reason="a new network namespace of PID 1's own needs root here")
def test_pid_1_brings_up_the_loopback(agent):
    need_pid_namespace()
    ours, theirs = socket.socketpair()
    command = [*NEW_PID, "--net", str(agent), "r1", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
        assert AgentSession(ours).run(python(code)).stderr == b""


def test_two_descriptors_are_a_channel_too(agent):
    command = ["tare-agent", "r1", "0,1"]
    with subprocess.Popen(
        command, executable=agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(preload(shell("echo over pipes")))
        process.stdin.flush()
        assert b"over pipes\n" in process.stdout.read()


def test_it_can_wait_until_it_is_spoken_to(agent):
    """As where nobody keeps what it says before somebody attaches."""
    ours, theirs = socket.socketpair()
    command = ["tare-agent", "r1", f"{theirs.fileno()}?"]
    with subprocess.Popen(command, executable=agent, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        assert not select.select([ours], [], [], 0.2)[0]
        session = AgentSession(ours, speaks_first=False)
        hello = session.hello(5)
        assert hello.born_ns <= hello.ready_ns < time.monotonic_ns() - 150_000_000
        assert session.run(shell("echo woken")).stdout == b"woken\n"


def test_a_job_wakes_it_too(agent):
    ours, theirs = socket.socketpair()
    command = ["tare-agent", "r1", f"{theirs.fileno()}?"]
    with subprocess.Popen(command, executable=agent, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        ours.send(preload(shell("echo woken")))
        session = AgentSession(ours, speaks_first=False)
        assert session.collect(shell("echo woken"), 5).stdout == b"woken\n"


def test_wrong_arguments_are_told(agent):
    done = subprocess.run([agent], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"tare-agent: usage: tare-agent RUN CHANNEL: EINVAL\n")


def test_it_needs_nothing_but_itself(agent, tmp_path):
    """Static, small, and alive in an empty root."""
    assert agent.stat().st_size < 32768
    if not AS_ROOT:
        pytest.skip("chroot needs root")
    shutil.copy(agent, tmp_path / "agent")
    ours, theirs = socket.socketpair()
    command = ["chroot", str(tmp_path), "/agent", "r1", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        assert AgentSession(ours).run(Job(("/agent", "--self-check"))).stdout == b"tare-native\n"
