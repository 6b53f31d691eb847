"""Talk to an agent: take its hello, map its clock, run jobs, tell it to exit.

Every wait has a deadline. An agent that falls silent, dies or contradicts itself costs its place
(:class:`~tare.runners.errors.PlaceFailure`), never the run, and no number is taken from a contradiction.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, NoReturn, Protocol

from msgspec.structs import replace

from tare.runners.agent import sentences
from tare.runners.agent.answer import JobAnswer
from tare.runners.agent.clock import ClockContradiction, ClockMap
from tare.runners.agent.service import AgentService
from tare.runners.agent.wire import (
    GUEST_TICK_SECONDS,
    Frame,
    Hello,
    Pong,
    Reader,
    Refused,
    Type,
    WireError,
    decode,
    encode,
    encode_job,
)
from tare.runners.errors import PlaceFailure
from tare.runners.model import FirstThread, JobResult, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tare.runners.agent.wire import Message
    from tare.runners.model import HostCpu, Job

WAKING_SEQUENCE = 0
"""Sequence number of the first ping to an agent that was restored with its guest."""
PRELOADED_SEQUENCE = 1
"""Sequence number of a job that is in the channel before the agent starts."""
GRACE_SECONDS = 15.0
"""Time beyond a job's time-out in which silence is fine: 0.2 s after SIGTERM, up to 5 s of killing, a slow guest."""
CLOCK_ROUNDS = 10
"""Pings that map a clock."""


class CpuMeter(Protocol):
    """A counter outside the place that is read right before a job is sent and right after its end is told."""

    def begin(self) -> None:
        """Read the counters before a job begins."""

    def end(self) -> HostCpu | None:
        """Read after the job; ``None`` if nothing could be read."""


class HasFileno(Protocol):
    """A socket, or anything else with a descriptor to read and write."""

    def fileno(self) -> int:
        """Return the file descriptor to read and write."""


def preload(job: Job, *, leave: bool = True, wake: bool = False) -> bytes:
    """Encode a job for an agent's channel before its launch; :meth:`AgentSession.collect` gets the result.

    Not for a UART: its driver empties the receive FIFO when it starts, so there the job can only follow the hello.

    Args:
        job: the job.
        leave: the agent exits by itself after the job. A guest has to stay until its clock is mapped.
        wake: ping the agent first: one that was restored says no hello.
    """
    data = encode_job(job, PRELOADED_SEQUENCE)
    if wake:
        data = _WAKING + data
    return data + encode(Frame(Type.EXIT, PRELOADED_SEQUENCE + 1)) if leave else data


_WAKING = encode(Frame(Type.PING, WAKING_SEQUENCE))


class AgentSession:
    """The host's end of an agent's channel, which it neither opens nor closes."""

    def __init__(
        self,
        channel: HasFileno | int,
        *,
        same_clock: bool = True,
        speaks_first: bool = True,
        resumed: Hello | None = None,
        woken: bool = False,
    ) -> None:
        """Begin a session.

        Args:
            channel: our end of the channel.
            same_clock: the agent reads the host's clock, as all but guests' agents do. Otherwise the clock is mapped
                before and after each job, since the two drift apart (the host's is slewed, by up to 0.5 ms/s).
            speaks_first: the agent says hello by itself, as most do. One whose channel ends in ``?`` waits until it is
                spoken to, because what it said before somebody attached to the channel would be lost.
            resumed: the hello from before the agent's guest was saved; the agent is ready again when it answers a
                first ping.
            woken: that ping is in the channel already.
        """
        self._fd = channel if isinstance(channel, int) else channel.fileno()
        os.set_blocking(self._fd, False)
        self._same_clock, self._speaks_first = same_clock, speaks_first
        self._resumed, self._woken = resumed, woken
        self._reader = Reader()
        self._messages: list[Message] = []
        self._services: dict[int, AgentService] = {}
        self._sequence = PRELOADED_SEQUENCE + 1
        self._hello: Hello | None = None
        self.clock = ClockMap()
        """Most recent mapping; the identity for the host's own clock."""
        self.meter: CpuMeter | None = None
        """Counter to read around each job of :meth:`run`, so that the pings that map a clock are not in it."""

    @property
    def log(self) -> str:
        """End of the bytes between frames: a guest's console, if they share a port."""
        return self._reader.noise.decode(errors="replace")

    @property
    def skipped_bytes(self) -> int:
        """Number of bytes received that were not part of a frame."""
        return self._reader.skipped_bytes

    def hello(self, timeout_seconds: float) -> Hello:
        """Wait until the agent can take jobs; later calls return the same at once.

        Raises:
            PlaceFailure: it did not come, it could not set up its place, or its clock runs backwards.
        """
        if self._hello is None and self._resumed is not None:
            self._hello = self._wake(self._resumed, timeout_seconds)
        if self._hello is None:
            deadline = _deadline(timeout_seconds)
            if not self._speaks_first:
                ping = self._take_sequence()
                self._send(encode(Frame(Type.PING, ping)), deadline)
            message = self._next(deadline, sentences.no_hello(timeout_seconds))
            if isinstance(message, Refused):
                self._fail(sentences.no_setup(message.text))
            if not isinstance(message, Hello):
                self._fail(sentences.early(message))
            if message.ready_ns < message.born_ns:
                self._contradict(sentences.READY_TOO_EARLY)
            self._hello = message
            if not self._speaks_first:
                pong = self._next(deadline, sentences.SILENT_AT_WAKING)
                if not isinstance(pong, Pong) or pong.sequence != ping:
                    self._fail(sentences.odd_pong(ping, pong))
        return self._hello

    def _wake(self, said: Hello, timeout_seconds: float) -> Hello:
        """Renew the hello from before the guest was saved: ready by the clock of the first answer."""
        deadline = _deadline(timeout_seconds)
        if not self._woken:
            self._send(_WAKING, deadline)
        pong = self._next(deadline, sentences.not_awake(timeout_seconds))
        if not isinstance(pong, Pong) or pong.sequence != WAKING_SEQUENCE:
            self._fail(sentences.odd_waking(pong))
        if pong.clock_ns < said.ready_ns:
            self._contradict(sentences.WOKE_TOO_EARLY)
        return replace(said, ready_ns=pong.clock_ns)

    def map_clock(self, rounds: int = CLOCK_ROUNDS, timeout_seconds: float = 10.0) -> ClockMap:
        """Map the agent's clock by ``rounds`` pings (Cristian 1989).

        The smallest round trip gives the offset, and half of it bounds the error.
        """
        if self._same_clock:
            return self.clock
        deadline = _deadline(timeout_seconds)
        best: tuple[int, ClockMap] | None = None
        for _ in range(rounds):
            sequence = self._take_sequence()
            sent = time.monotonic_ns()
            self._send(encode(Frame(Type.PING, sequence)), deadline)
            pong = self._next(deadline, sentences.SILENT_AT_PINGS)
            received = time.monotonic_ns()
            if not isinstance(pong, Pong) or pong.sequence != sequence:
                self._fail(sentences.odd_pong(sequence, pong))
            trip = received - sent
            if best is None or trip < best[0]:
                best = trip, ClockMap((sent + received) // 2 - pong.clock_ns, trip // 2 + 1)
        if best is None:
            raise ValueError("at least one round is needed to map a clock")
        self.clock = best[1]
        return self.clock

    def run(self, job: Job) -> JobResult:
        """Run a job to its end.

        Raises:
            PlaceFailure: the agent died, fell silent, refused, or contradicted itself.
            ClockContradiction: its times are impossible.
        """
        hello = self.hello(job.timeout_seconds + GRACE_SECONDS)
        before = self.map_clock()
        sequence = self._take_sequence()
        deadline = _deadline(job.timeout_seconds + GRACE_SECONDS)
        meter = self.meter if job.argv else None
        data = encode_job(job, sequence)
        if meter:
            meter.begin()
        sent = time.monotonic_ns()
        self._send(data, deadline)
        answer = JobAnswer(job, sequence)
        self._gather(answer, deadline)
        received = time.monotonic_ns()
        host_cpu = meter.end() if meter else None
        after = self.map_clock()
        result = replace(self._result(answer, hello, before, after), host_cpu=host_cpu)
        error_ns = max(before.error_ns, after.error_ns)
        if result.started_ns < sent - error_ns:
            self._contradict(sentences.started_before_sent(sent - result.started_ns))
        if result.finished_ns > received + error_ns:
            self._contradict(sentences.ended_after_told(result.finished_ns - received))
        return result

    def collect(self, job: Job, launch_timeout_seconds: float) -> JobResult:
        """Wait for the result of the job that :func:`preload` handed over. Raises as :meth:`run` does."""
        self._speaks_first = True  # it waited for something to be said, and the job was that
        hello = self.hello(launch_timeout_seconds)
        answer = JobAnswer(job, PRELOADED_SEQUENCE)
        self._gather(answer, _deadline(job.timeout_seconds + GRACE_SECONDS))
        received = time.monotonic_ns()
        clock = self.map_clock()
        result = self._result(answer, hello, clock, clock)
        if result.finished_ns > received + clock.error_ns:
            self._contradict(sentences.ended_after_told(result.finished_ns - received))
        return result

    def start(self, job: Job) -> AgentService:
        """Start a service, which runs beside the jobs; its time-out and its event to count do not matter.

        Raises:
            PlaceFailure: the agent died, fell silent, refused, or contradicted itself.
        """
        self.hello(GRACE_SECONDS)
        service = AgentService(self, job, self._take_sequence())
        self._services[service.sequence] = service
        self._send(encode_job(job, service.sequence, service=True), _deadline(GRACE_SECONDS))
        if not self.listen(lambda: service.begun, GRACE_SECONDS):
            self._fail(sentences.NO_SERVICE)
        if service.refused:
            self._fail(sentences.refused_service(service.refused))
        return service

    def listen(self, until: Callable[[], bool], seconds: float) -> bool:
        """Take what the agent says until a condition holds; return whether it does before the time is out."""
        deadline = _deadline(seconds)
        last = deadline + 1_000_000_000  # of noise without end
        while not until():
            if not self._wait(select.POLLIN, deadline) or time.monotonic_ns() > last:
                return until()
            self._receive()
        return True

    def end(self, service: AgentService) -> None:
        """Kill a service with all of its processes, and wait for its end; it is fine if it has ended."""
        if not service.ended:
            self._send(encode(Frame(Type.KILL, service.sequence)), _deadline(1))
            if not self.listen(lambda: bool(service.ended), GRACE_SECONDS):
                self._fail(sentences.SERVICE_STAYS)

    def kill(self) -> None:
        """Ask the agent to end the running job now."""
        self._send(encode(Frame(Type.KILL, self._take_sequence())), _deadline(1))

    def exit(self) -> None:
        """Tell the agent to exit (in a guest: to power off). It is fine if it has exited already."""
        try:
            self._send(encode(Frame(Type.EXIT, self._take_sequence())), _deadline(1))
        except PlaceFailure:
            return

    def _take_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _gather(self, answer: JobAnswer, deadline: int) -> None:
        while answer.done is None:
            message = self._next(deadline, sentences.no_end(answer.progress()))
            if isinstance(message, Refused):
                self._fail(sentences.refused_job(message.text))
            if complaint := answer.add(message):
                self._fail(sentences.contradiction(complaint))

    def _result(self, answer: JobAnswer, hello: Hello, before: ClockMap, after: ClockMap) -> JobResult:
        started, done = answer.started, answer.done
        assert started is not None  # noqa: S101 - what _gather is for
        assert done is not None  # noqa: S101
        if started.clock_ns < hello.ready_ns:
            self._contradict(sentences.started_before_ready(hello.ready_ns - started.clock_ns))
        if done.clock_ns < started.clock_ns:
            self._contradict(sentences.ended_before_start(started.clock_ns - done.clock_ns))
        signal = done.status & 0x7F
        return JobResult(
            exit_code=None if signal else done.status >> 8 & 0xFF,
            signal=signal or None,
            timed_out=done.timed_out,
            started_ns=before.to_host(started.clock_ns),
            finished_ns=after.to_host(done.clock_ns),
            inside_seconds=(done.clock_ns - started.clock_ns) / 1e9,
            usage=Usage.from_rusage(done.usage) if done.usage else None,
            stdout=bytes(answer.streams[0]),
            stderr=bytes(answer.streams[1]),
            stdout_bytes=done.stdout_total,
            stderr_bytes=done.stderr_total,
            error=done.error,
            orphan_seconds=done.orphans_us / 1e6,
            first_thread=FirstThread(done.thread_ns[0] / 1e9, done.thread_ns[1] / 1e9)
            if done.thread_ns
            else None,
            steal_seconds=None if done.steal_ticks is None else done.steal_ticks * GUEST_TICK_SECONDS,
        )

    def _next(self, deadline: int, silence: str) -> Message:
        """Return the agent's next message; ``silence`` is the reason if there is none in time."""
        while not self._messages:
            # Endless noise is no message either, hence the second condition.
            if not self._wait(select.POLLIN, deadline) or time.monotonic_ns() > deadline:
                self._fail(silence)
            self._receive()
        return self._messages.pop(0)

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, 1 << 18)
        except BlockingIOError:
            return
        except OSError as error:  # ECONNRESET: the peer died with our bytes unread
            self._fail(sentences.broke(error))
        if not data:
            self._fail(sentences.DIED)
        try:
            for message in map(decode, self._reader.feed(data)):
                service = None if isinstance(message, Hello) else self._services.get(message.sequence)
                if service is None:
                    self._messages.append(message)
                elif complaint := service.add(message):
                    self._fail(sentences.contradiction(complaint))
        except WireError as error:
            self._fail(sentences.nonsense(error))

    def _send(self, data: bytes, deadline: int) -> None:
        """Write all of it, reading meanwhile: two sides that only write would wait for each other."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                ready = self._wait(select.POLLIN | select.POLLOUT, deadline)
                if ready & select.POLLIN:
                    self._receive()
                if not ready or time.monotonic_ns() > deadline:
                    self._fail(sentences.DEAF)
            except OSError as error:
                self._fail(sentences.broke(error))

    def _wait(self, events: int, deadline: int) -> int:
        """Wait for events; return those that came before the deadline, or 0."""
        poll = select.poll()
        poll.register(self._fd, events)
        left_ms = max(0, deadline - time.monotonic_ns()) / 1e6
        return next((found for _, found in poll.poll(left_ms)), 0)

    def _contradict(self, what: str) -> NoReturn:
        raise ClockContradiction(
            sentences.clock_contradiction(what),
            remedy=sentences.LOOK_AT_CLOCK,
            log=self.log,
        )

    def _fail(self, reason: str) -> NoReturn:
        waiting = [type(message).__name__ for message in self._messages]
        raise PlaceFailure(sentences.with_waiting(reason, waiting), log=self.log)


def _deadline(seconds: float) -> int:
    return time.monotonic_ns() + round(seconds * 1e9)
