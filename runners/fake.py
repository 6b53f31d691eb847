"""Fake a runner with scripted durations, failures and clocks, for tests of the whole pipeline.

Nothing is launched and no time passes. Two fakes with equal arguments give equal trials.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from tare.runners.errors import PlaceFailure
from tare.runners.model import Endpoint, JobResult, Probe, Usage, Vantage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from tare.results.record import Accelerator, Metric
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits, NetworkPath

Fault = Literal["exit", "signal", "timeout", "error", "lost", "backwards"]
"""Scripted end of a job: exit status 1, SIGKILL, a time-out, a program that cannot be started, a lost place, or a
contradictory clock (the job finishes before it starts)."""


CloseFault = Literal["stuck", "untidy", "crash"]
"""Scripted failure of closing a place: it does not end; it ends, but something of it stays; an error of no foreseen
kind after its end."""


@dataclass(slots=True)
class FakeClock:
    """``CLOCK_MONOTONIC`` of a fake host, on which time passes only on demand; runners of a test may share one."""

    ns: int = 1_000_000_000

    def advance(self, seconds: float) -> int:
        """Let time pass; return the new time in ns."""
        self.ns += max(round(seconds * 1e9), 1)
        return self.ns


def _silence(_job: Job, _chance: random.Random) -> bytes:
    return b""


@dataclass(slots=True)
class FakeRunner:
    """A runner whose places are made of numbers."""

    name: str
    launch_seconds: float = 0.001
    """Time from ``requested`` to ``ready``; tear-down takes a tenth of it."""
    job_seconds: float = 0.010
    noise: float = 0.0
    """Standard deviation of every duration, relative to the duration."""
    seed: int = 0
    answer: Callable[[Job, random.Random], bytes] = _silence
    """Function that gives a job's stdout."""
    open_failures: Mapping[int, str] = field(default_factory=dict)
    """Number of the opening, from 0 → reason why it fails."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    """Number of the job, from 0, over all places → its scripted end."""
    close_faults: Mapping[int, CloseFault] = field(default_factory=dict)
    """Number of the opening, from 0 → what goes wrong when its place is closed."""
    close_error: Exception | None = None
    """Error of :meth:`close`, every time; ``None``: none."""
    service_output: bytes = b""
    """Output of every service, from its start on."""
    service_jobs: int | None = None
    """Number of jobs that are run, in any place, until a service ends by itself; ``None``: it runs until it is stopped."""
    services: int = 0
    """Number of services that run."""
    refusal: Probe | None = None
    """Answer of the probe; ``None``: it works."""
    accelerator: Accelerator = "none"
    path: NetworkPath | None = None
    """Path of the places' endpoints; ``None``: they have none."""
    context: Mapping[str, object] = field(default_factory=dict)
    """Further facts of the places' context."""
    guest: bool = False
    """Places have a clock of their own and the ``kernel`` mark."""
    clock: FakeClock = field(default_factory=FakeClock)
    openings: int = 0
    jobs: int = 0
    open_places: int = 0
    prepared: bool = False
    log: list[str] = field(default_factory=list)
    """Names of the methods that were called, in order."""
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.name}/{self.seed}")  # noqa: S311 - a script, not a secret

    @property
    def label(self) -> str:
        """See :class:`tare.runners.context.Runner`."""
        return f"{self.name}(tcg)" if self.accelerator == "tcg" else self.name

    def probe(self) -> Probe:
        """See :class:`tare.runners.context.Runner`."""
        self.log.append("probe")
        return self.refusal or Probe(ok=True)

    def prepare(self, image: Image, limits: Limits) -> None:
        """See :class:`tare.runners.context.Runner`."""
        del image, limits
        self.log.append("prepare")
        self.prepared = True

    def open(self, first: Job | None = None) -> FakePlace:
        """See :class:`tare.runners.context.Runner`."""
        self.log.append("open")
        number = self.openings
        self.openings += 1
        if number in self.open_failures:
            raise PlaceFailure(
                self.open_failures[number], remedy="take the fault out of the script", log="fake log"
            )
        return FakePlace(self, first, number)

    def close(self) -> None:
        """See :class:`tare.runners.context.Runner`."""
        self.log.append("close")
        self.prepared = False
        if self.close_error is not None:
            raise self.close_error

    def spend(self, seconds: float) -> int:
        """Let about that much time pass, by the script's noise; return the new time in ns."""
        return self.clock.advance(seconds * max(1 + self.noise * self.chance.gauss(0, 1), 0.01))


class FakeService:
    """See :class:`tare.runners.model.Service`."""

    def __init__(self, runner: FakeRunner) -> None:
        self._runner, self._first_job, self._stopped = runner, runner.jobs, False
        self.output = runner.service_output
        runner.services += 1

    @property
    def ended(self) -> str:
        """See :class:`tare.runners.model.Service`."""
        lives = self._runner.service_jobs
        over = lives is not None and self._runner.jobs - self._first_job >= lives
        return "ended with status 1, without a word" if over or self._stopped else ""

    def wait_for(self, condition: Callable[[Self], bool], seconds: float) -> bool:
        """See :class:`tare.runners.model.Service`. Nothing new is said, however long one waits."""
        del seconds
        return condition(self)

    def look(self) -> str:
        """See :class:`tare.runners.model.Service`."""
        return self.ended

    def stop(self) -> None:
        """See :class:`tare.runners.model.Service`."""
        self._runner.services -= not self._stopped
        self._stopped = True


class FakePlace:
    """See :class:`tare.runners.model.Place`."""

    def __init__(self, runner: FakeRunner, first: Job | None, number: int) -> None:
        self._number = number
        self.root, self.scratch = "/", "/scratch"
        self.host_address: str | None = None
        self.host_network = ""
        self.host_scratch: Path | None = None
        self.vantage = Vantage(top_pid=0, shared_with_host=False)
        self.clock_error = 1e-6 if runner.guest else 0.0
        self.context: dict[str, object] = {"fake": True, **runner.context}
        self.usage: Usage | None = None
        self.metrics: tuple[Metric, ...] = ()
        self.timeline: dict[str, int] = {}
        self._runner, self._first, self._closed = runner, first, False
        runner.open_places += 1
        part = runner.launch_seconds / 4
        self.timeline["requested"] = runner.spend(part / 100)
        for mark in (
            ("spawned", "kernel", "agent", "ready") if runner.guest else ("spawned", "agent", "ready")
        ):
            self.timeline[mark] = runner.spend(part)

    def run(self, job: Job) -> JobResult:
        """See :class:`tare.runners.model.Place`."""
        runner = self._runner
        fault = runner.faults.get(runner.jobs)
        runner.jobs += 1
        if fault == "lost":
            raise PlaceFailure("the place died", remedy="take the fault out of the script", log="fake log")
        started = runner.spend(runner.job_seconds / 100)
        finished = runner.spend(job.timeout_seconds if fault == "timeout" else runner.job_seconds)
        inside = (finished - started) / 1e9
        if fault == "backwards":
            finished = started - 1
        if self._first is not None:
            self.timeline |= {"started": started, "finished": finished}
        stdout = b"" if fault in {"signal", "timeout", "error"} else runner.answer(job, runner.chance)
        kept = stdout[: job.output_limit_bytes]
        return JobResult(
            exit_code={"exit": 1, "error": 127}.get(
                fault or "", None if fault in {"signal", "timeout"} else 0
            ),
            signal=9 if fault in {"signal", "timeout"} else None,
            timed_out=fault == "timeout",
            started_ns=started,
            finished_ns=finished,
            inside_seconds=inside,
            usage=Usage(inside * 0.9, inside * 0.1, 1 << 20, 100, 0, 0, 0, 1, 1) if job.argv else None,
            stdout=kept,
            stderr=b"",
            stdout_bytes=len(stdout),
            stderr_bytes=0,
            error="cannot start the program: ENOENT" if fault == "error" else "",
        )

    def start(self, job: Job) -> FakeService:
        """See :class:`tare.runners.model.Place`."""
        self._runner.log.append(f"start {' '.join(job.argv)}")
        return FakeService(self._runner)

    def endpoint(self, port: int) -> Endpoint | None:
        """See :class:`tare.runners.model.Place`."""
        path = self._runner.path
        if path is None:
            return None
        return Endpoint(
            "127.0.0.1", port, path, from_places=None if path == "loopback" else ("127.0.0.1", port)
        )

    def close(self) -> None:
        """See :class:`tare.runners.model.Place`."""
        if not self._closed:
            self._closed = True
            self._runner.open_places -= 1
            fault = self._runner.close_faults.get(self._number)
            if fault == "stuck":
                raise PlaceFailure("the place does not end", remedy="take the fault out of the script")
            self.timeline["gone"] = self._runner.spend(self._runner.launch_seconds / 10)
            if fault == "untidy":
                raise PlaceFailure("something of the place stays")
            if fault == "crash":
                raise RuntimeError("nobody foresaw this")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
