"""The conversation, against an agent that is a script: honest, silent, dying or lying."""

from __future__ import annotations

import socket
import threading
import time
from itertools import starmap
from typing import TYPE_CHECKING, Any

import pytest

from tare.runners.agent import session as session_module
from tare.runners.agent.clock import ClockContradiction
from tare.runners.agent.session import PRELOADED_SEQUENCE, AgentSession, preload
from tare.runners.agent.wire import SERVICE, Frame, Reader, Tag, Type, encode, pack_fields
from tare.runners.errors import PlaceFailure
from tare.runners.model import FirstThread, HostCpu, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOB = Job(("/bin/x",), timeout_seconds=0.1, output_limit_bytes=4)
NULL = Job(timeout_seconds=0.1)
MAP_CLOCK = AgentSession.map_clock


class Peer:
    """An agent that does as it is told."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.reader = Reader()
        self.waiting: list[Frame] = []
        self.clock = time.monotonic_ns

    def next(self) -> Frame:
        while not self.waiting:
            data = self.channel.recv(65536)
            assert data, "the session hung up"
            self.waiting += self.reader.feed(data)
        return self.waiting.pop(0)

    def say(self, kind: Type, sequence: int, **fields: int | bytes) -> None:
        packed = starmap(_field, fields.items())
        self.channel.sendall(encode(Frame(kind, sequence, pack_fields(packed))))

    def hello(self) -> None:
        now = self.clock()
        self.say(Type.HELLO, 0, clock=now, ready=now, pid=1, flags=0, skipped=0)

    def started(self, sequence: int, clock: int | None = None) -> None:
        self.say(Type.STARTED, sequence, clock=self.clock() if clock is None else clock)

    def done(self, sequence: int, clock: int | None = None, **fields: int | bytes) -> None:
        normal: dict[str, int | bytes] = {
            "status": 0,
            "flags": 0,
            "stdout_total": 0,
            "stderr_total": 0,
            "usage": bytes(144),
        }
        self.say(Type.DONE, sequence, clock=self.clock() if clock is None else clock, **normal | fields)

    def pong(self) -> None:
        ping = self.next()
        assert ping.type == Type.PING
        self.say(Type.PONG, ping.sequence, clock=self.clock(), skipped=0)


def _field(name: str, value: int | bytes) -> tuple[int, bytes]:
    return Tag[name.upper()], value if isinstance(value, bytes) else value.to_bytes(8, "little")


@pytest.fixture
def talk(monkeypatch) -> Iterator[Callable[..., AgentSession]]:
    """Start a script as the peer; its failures fail the test."""
    monkeypatch.setattr(session_module, "GRACE_SECONDS", 0.2)
    threads: list[threading.Thread] = []
    channels: list[socket.socket] = []
    failures: list[BaseException] = []

    def start(script: Callable[[Peer], None], **options: Any) -> AgentSession:
        ours, theirs = socket.socketpair()
        channels.extend((ours, theirs))

        def play() -> None:
            try:
                script(Peer(theirs))
            except BaseException as error:  # noqa: BLE001 - told by the fixture
                failures.append(error)
            if script.__name__ != "silent":
                theirs.shutdown(socket.SHUT_RDWR)

        threads.append(threading.Thread(target=play))
        threads[-1].start()
        return AgentSession(ours, **options)

    yield start
    for thread in threads:
        thread.join()
    for channel in channels:
        channel.close()
    assert not failures


def one_round(session: AgentSession) -> Any:
    return MAP_CLOCK(session, rounds=1)


def fails(talk, script, *, job=JOB, kind=PlaceFailure, **options) -> PlaceFailure:
    session = talk(script, **options)
    with pytest.raises(kind) as caught:
        session.run(job)
    return caught.value


def test_a_job_from_start_to_end(talk):
    def honest(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        peer.started(job.sequence)
        peer.say(Type.OUTPUT, job.sequence, stream=1, data=b"ab\xff")
        peer.say(Type.OUTPUT, job.sequence, stream=2, data=b"\0")
        peer.say(Type.OUTPUT, job.sequence, stream=1, data=b"d")
        usage = b"".join(value.to_bytes(8, "little") for value in range(1, 19))
        peer.done(job.sequence, status=3 << 8, stdout_total=99, stderr_total=1, usage=usage)

    before = time.monotonic_ns()
    result = talk(honest).run(JOB)
    assert (result.exit_code, result.signal, result.timed_out, result.error) == (3, None, False, "")
    assert (result.stdout, result.stdout_bytes) == (b"ab\xffd", 99)
    assert (result.stderr, result.stderr_bytes) == (b"\0", 1)
    assert before <= result.started_ns <= result.finished_ns <= time.monotonic_ns()
    assert result.inside_seconds == (result.finished_ns - result.started_ns) / 1e9
    assert result.usage is not None
    assert result.usage.user_seconds == 1 + 2e-6
    assert result.usage.system_seconds == 3 + 4e-6
    assert result.usage.peak_rss_bytes == 5 * 1024
    assert (result.usage.minor_faults, result.usage.major_faults) == (9, 10)
    assert (result.usage.read_blocks, result.usage.write_blocks) == (12, 13)
    assert (result.usage.voluntary_switches, result.usage.involuntary_switches) == (17, 18)


def test_the_outside_counter_is_read_around_the_job_alone(talk, monkeypatch):
    monkeypatch.setattr(AgentSession, "map_clock", one_round)
    read: list[str] = []

    class Meter:
        def begin(self) -> None:
            read.append("begin")

        def end(self) -> HostCpu:
            read.append("end")
            return HostCpu(1.0, 0.0, "cgroup", of_job=True)

    def honest(peer: Peer) -> None:
        peer.hello()
        assert not read  # the answer to the ping lets the session go on
        peer.pong()
        job = peer.next()
        assert read == ["begin"]
        peer.started(job.sequence)
        thread = (5_000_000_000).to_bytes(8, "little") + (250_000_000).to_bytes(8, "little")
        peer.done(job.sequence, orphans=1_500_000, thread=thread)
        peer.pong()

    session = talk(honest, same_clock=False)
    session.meter = Meter()
    result = session.run(JOB)
    assert read == ["begin", "end"]
    assert result.host_cpu == HostCpu(1.0, 0.0, "cgroup", of_job=True)
    assert (result.orphan_seconds, result.first_thread) == (1.5, FirstThread(5.0, 0.25))


def test_the_account_of_a_thread_has_two_numbers(talk):
    def lying(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        peer.started(job.sequence)
        peer.done(job.sequence, thread=b"12345")

    assert "account of a thread" in fails(talk, lying).reason


def test_a_signalled_timed_out_job(talk):
    def honest(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        peer.started(job.sequence)
        peer.done(job.sequence, status=9, flags=1)

    result = talk(honest).run(JOB)
    assert (result.exit_code, result.signal, result.timed_out) == (None, 9, True)


def test_a_preloaded_job_is_collected_without_a_word(talk):
    def honest(peer: Peer) -> None:
        peer.hello()
        peer.started(PRELOADED_SEQUENCE)
        peer.done(PRELOADED_SEQUENCE, usage=b"")

    session = talk(honest)
    assert session.collect(NULL, 1.0).usage is None


@pytest.mark.parametrize(("leave", "types"), [(True, [Type.JOB, Type.EXIT]), (False, [Type.JOB])])
def test_what_is_preloaded(leave, types):
    frames = Reader().feed(preload(NULL, leave=leave))
    assert [frame.type for frame in frames] == types
    assert frames[0].sequence == PRELOADED_SEQUENCE


def test_console_noise_is_passed_over_and_kept_for_the_log(talk):
    def noisy(peer: Peer) -> None:
        peer.channel.sendall(b"[    0.1] Linux version\n")
        peer.hello()
        job = peer.next()
        peer.channel.sendall(b"[    9.9] random: \xff\n")
        peer.started(job.sequence)
        peer.done(job.sequence)

    session = talk(noisy)
    assert session.run(JOB).exit_code == 0
    assert session.log == "[    0.1] Linux version\n[    9.9] random: \ufffd\n"
    assert session.skipped_bytes == 44


OFFSET = 7_000_000_000_000


def test_a_guests_clock_is_mapped_within_its_bound(talk):
    def guest(peer: Peer) -> None:
        peer.clock = lambda: time.monotonic_ns() + OFFSET
        peer.hello()
        for _ in range(session_module.CLOCK_ROUNDS):
            peer.pong()
        job = peer.next()
        peer.started(job.sequence)
        peer.done(job.sequence)
        for _ in range(session_module.CLOCK_ROUNDS):
            peer.pong()

    before = time.monotonic_ns()
    session = talk(guest, same_clock=False)
    result = session.run(JOB)
    clock = session.clock
    assert abs(clock.offset_ns + OFFSET) <= clock.error_ns
    assert before <= result.started_ns + clock.error_ns
    assert result.finished_ns <= time.monotonic_ns() + clock.error_ns


def test_the_same_clock_needs_no_pings(talk):
    session = talk(Peer.hello)
    assert session.map_clock().error_ns == 0
    session.hello(1.0)


def test_a_silent_agent_fails_in_time(talk):
    def silent(peer: Peer) -> None:
        peer.hello()
        peer.started(peer.next().sequence)

    assert "stopped answering: the job was started, 0 bytes of stdout" in str(fails(talk, silent))


def test_no_hello_fails_in_time(talk):
    def silent(peer: Peer) -> None:
        peer.channel.sendall(b"Kernel panic")

    session = talk(silent)
    with pytest.raises(PlaceFailure, match=r"did not say hello within 0\.1 s") as caught:
        session.hello(0.1)
    assert caught.value.log == "Kernel panic"


def test_an_agent_that_dies_mid_job(talk):
    def dying(peer: Peer) -> None:
        peer.hello()
        peer.started(peer.next().sequence)

    assert "died" in str(fails(talk, dying))


def test_a_guest_that_cannot_set_up_says_why(talk):
    def refusing(peer: Peer) -> None:
        peer.say(Type.REFUSED, 0, text=b"/dev/vdb: ENXIO")

    assert "could not set up its place: /dev/vdb: ENXIO" in str(fails(talk, refusing))


def test_a_refused_job(talk):
    def refusing(peer: Peer) -> None:
        peer.hello()
        peer.say(Type.REFUSED, peer.next().sequence, text=b"cannot make the job's process: EAGAIN")

    assert "refused the job: cannot make the job's process: EAGAIN" in str(fails(talk, refusing))


def test_a_job_before_hello(talk):
    def lying(peer: Peer) -> None:
        peer.started(1)

    assert "sent started before its hello" in str(fails(talk, lying))


LIES: dict[str, tuple[str, Callable[[Peer, int], object]]] = {
    "done first": ("done came before the job's start", lambda peer, n: peer.done(n)),
    "output first": ("output came before", lambda peer, n: peer.say(Type.OUTPUT, n, stream=1, data=b"x")),
    "twice": ("started twice", lambda peer, n: (peer.started(n), peer.started(n))),
    "other job": ("started of job 77", lambda peer, n: peer.started(77)),
    "other done": ("done of job 77", lambda peer, n: (peer.started(n), peer.done(77))),
    "second hello": ("Hello", lambda peer, n: peer.hello()),
    "lost output": (
        "0 bytes of output came, but 3",
        lambda peer, n: (peer.started(n), peer.done(n, stdout_total=3)),
    ),
    "more than counted": (
        "1 bytes of output came, but 0",
        lambda peer, n: (peer.started(n), peer.say(Type.OUTPUT, n, stream=2, data=b"x"), peer.done(n)),
    ),
    "too much": (
        "more output was sent than the 4 bytes",
        lambda peer, n: (peer.started(n), peer.say(Type.OUTPUT, n, stream=1, data=b"12345")),
    ),
    "no usage": (
        "only a job that makes a process",
        lambda peer, n: (peer.started(n), peer.done(n, usage=b"")),
    ),
    "nonsense": ("nonsense", lambda peer, n: peer.say(Type.STARTED, n)),
}


@pytest.mark.parametrize(("text", "lie"), LIES.values(), ids=LIES)
def test_a_lie_is_named_and_never_a_number(talk, text, lie):
    def lying(peer: Peer) -> None:
        peer.hello()
        lie(peer, peer.next().sequence)

    assert text in str(fails(talk, lying))


def test_a_job_that_ends_before_it_starts(talk):
    def lying(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        now = peer.clock()
        peer.started(job.sequence, now + 5)
        peer.done(job.sequence, now)

    assert "ended 5 ns before it started" in str(fails(talk, lying, kind=ClockContradiction))


def test_a_job_that_starts_before_its_agent(talk):
    def lying(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        peer.started(job.sequence, 0)
        peer.done(job.sequence)

    assert "before the agent was ready" in str(fails(talk, lying, kind=ClockContradiction))


def test_a_job_that_ends_in_the_future(talk):
    def lying(peer: Peer) -> None:
        peer.hello()
        job = peer.next()
        peer.started(job.sequence)
        peer.done(job.sequence, peer.clock() + 10**10)

    assert "after its end was told" in str(fails(talk, lying, kind=ClockContradiction))


def test_an_agent_ready_before_its_birth(talk):
    def lying(peer: Peer) -> None:
        peer.say(Type.HELLO, 0, clock=9, ready=8, pid=1, flags=0, skipped=0)

    assert "ready before its first instruction" in str(fails(talk, lying, kind=ClockContradiction))


def test_a_pong_for_another_ping(talk):
    def lying(peer: Peer) -> None:
        peer.hello()
        peer.say(Type.PONG, peer.next().sequence + 1, clock=0, skipped=0)

    assert "answered ping" in str(fails(talk, lying, same_clock=False))


def test_exit_and_kill_reach_the_agent_and_leaving_twice_is_fine(talk):
    def honest(peer: Peer) -> None:
        assert [peer.next().type, peer.next().type] == [Type.KILL, Type.EXIT]

    session = talk(honest)
    session.kill()
    session.exit()
    with pytest.raises(PlaceFailure):
        session.hello(1.0)
    session.exit()


def test_large_jobs_do_not_lock_both_sides(talk):
    job = Job(("/bin/cat",), stdin=bytes(4 << 20), timeout_seconds=10, output_limit_bytes=8 << 20)

    def flooding(peer: Peer) -> None:
        """Floods before it reads: a host that only wrote would wait for ever."""
        peer.hello()
        peer.channel.sendall(bytes(4 << 20))
        while (part := peer.next()).flags:
            pass
        peer.started(part.sequence)
        peer.done(part.sequence)

    assert talk(flooding).run(job).exit_code == 0


SERVER = Job(("/bin/server",), output_limit_bytes=8)


def test_a_service_runs_beside_jobs_until_it_is_stopped(talk):
    def honest(peer: Peer) -> None:
        peer.hello()
        start = peer.next()
        assert (start.type, start.flags) == (Type.JOB, SERVICE)
        peer.started(start.sequence)
        job = peer.next()
        assert job.flags == 0
        peer.started(job.sequence)
        peer.say(Type.OUTPUT, start.sequence, stream=1, data=b"ready\n")
        peer.done(job.sequence)
        kill = peer.next()
        assert (kill.type, kill.sequence) == (Type.KILL, start.sequence)
        peer.done(start.sequence, status=15, flags=2, stdout_total=6)

    session = talk(honest)
    service = session.start(SERVER)
    assert (service.output, service.ended) == (b"", "")
    assert session.run(JOB).exit_code == 0
    assert service.wait_for(lambda one: b"ready" in one.output, 1.0)
    service.stop()
    assert "SIGTERM" in service.ended
    service.stop()  # nothing is sent again: the script is over


def test_a_service_that_ends_says_how_with_its_last_words(talk):
    def dying(peer: Peer) -> None:
        peer.hello()
        start = peer.next()
        peer.started(start.sequence)
        peer.say(Type.OUTPUT, start.sequence, stream=2, data=b"no port\n")
        peer.done(start.sequence, status=1 << 8, stderr_total=8)

    service = talk(dying).start(SERVER)
    assert not service.wait_for(lambda one: b"ready" in one.output, 1.0)
    assert service.ended == "ended with status 1: no port"
    service.explain = lambda: "was over its limit"
    assert service.ended == "was over its limit"


def test_a_service_that_is_refused_or_lies_costs_its_place(talk):
    def refusing(peer: Peer) -> None:
        peer.hello()
        peer.say(Type.REFUSED, peer.next().sequence, text=b"eight services are running")

    def lying(peer: Peer) -> None:
        peer.hello()
        peer.say(Type.OUTPUT, peer.next().sequence, stream=1, data=b"before its start")

    with pytest.raises(PlaceFailure, match="eight services are running"):
        talk(refusing).start(SERVER)
    with pytest.raises(PlaceFailure, match="contradicts itself: output came before the job's start"):
        talk(lying).start(SERVER)


def test_a_service_that_says_nothing_is_waited_for_in_vain(talk):
    def silent(peer: Peer) -> None:
        peer.hello()
        peer.started(peer.next().sequence)
        assert peer.next().type == Type.EXIT

    session = talk(silent)
    service = session.start(SERVER)
    assert not service.wait_for(lambda one: bool(one.output), 0.01)
    assert service.look() == ""
    session.exit()
