"""Make campaigns on fake runners: nothing is launched, and what would be stored is kept in a list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from support.stub import Stub
from tare.bench.campaign import run
from tare.bench.campaign.provision import Provisioned
from tare.bench.campaign.recorder import Recorder
from tare.bench.campaign.run import take_up
from tare.bench.planning.case import Case
from tare.bench.planning.modes import JOB_SECONDS, MODES
from tare.bench.planning.plan import Plan
from tare.bench.planning.runners import Bench
from tare.bench.progress import Silent
from tare.bench.workloads.base import ParseError, Workload
from tare.results.record import Metric
from tare.runners.context import RunContext, Supplies
from tare.runners.images.image import Image
from tare.runners.model import Job, Limits
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tare.bench.campaign.loop import Campaign
    from tare.bench.progress import Progress
    from tare.results.record import Trial
    from tare.runners.context import Runner
    from tare.runners.fake import FakeClock, FakeRunner
    from tare.runners.model import JobResult

LIMITS = Limits(cpus=1, memory_bytes=1 << 20)
IMAGE = Image(key="fake", tree=Path("/nowhere"), layers=(), programs={}, libraries={})
KEYS = ("bare", "bare-again", "box")
"""Runner keys of a plan's cases: the base, its control and another."""


@dataclass(frozen=True)
class Steady(Workload):
    """A steady-state workload whose metric is the time that the fake runner says."""

    name: str = "work"
    family: str = "fake"
    summary: str = ""
    mangled: bool = False
    """Its output is never understood."""

    def job(self, site: object, seconds: float) -> Job:
        del site, seconds
        return Job(argv=("/work",))

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        if self.mangled:
            raise ParseError(self.name, "nonsense", result.stdout)
        value = result.inside_seconds
        return (Metric(name="work.seconds", value=value, unit="s", direction="lower", primary=True),)

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        return job_seconds


class Telling(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.trials: list[tuple[int, str]] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def trial(self, done: int, what: str) -> None:
        self.trials.append((done, what))


def make_plan(workloads: Sequence[Any], *, blocks: int | None = 4, **changes: Any) -> Plan:
    """Plan so many blocks of everything under :data:`KEYS`; all places are cheap unless ``cheap`` says otherwise."""
    made = Plan(
        mode="quick",
        seed=7,
        blocks=blocks,
        precision=0.01,
        warmups=False,
        job_seconds=JOB_SECONDS,
        budget_seconds=MODES["quick"].budget_seconds,
        cases=tuple(Case(workload, key) for workload in workloads for key in KEYS),
        estimate_seconds=1.0,
        cheap=frozenset(KEYS),
    )
    return replace(made, **changes)


def make_provisioned(runners: Mapping[str, Runner], cache: Path = Path("/nowhere")) -> Provisioned:
    """Give prepared runners that need nothing of the host."""
    context = RunContext("run", Path("/nowhere"), cache, launcher=Stub(lost=False))
    return Provisioned(Bench(Supplies(context, Stub(), RunnerSettings()), runners, {}), IMAGE, LIMITS)


def make_recorder(
    store: Callable[[Trial], object], *, progress: Progress | None = None, clock: FakeClock | None = None
) -> Recorder:
    """Make the recorder of the run ``run``, with the time of a fake host if there is one."""
    recorder = Recorder("run", store, progress or Silent())
    if clock is not None:
        recorder.now = lambda: clock.ns / 1e9
    return recorder


def make_campaign(
    plan: Plan,
    runners: Mapping[str, FakeRunner],
    store: Callable[[Trial], object],
    *,
    before: Sequence[Trial] = (),
    progress: Progress | None = None,
    cache: Path = Path("/nowhere"),
) -> Campaign:
    """Make a campaign of fake runners that share a clock; ``before``: trials of a resumed run."""
    recorder = make_recorder(store, progress=progress, clock=runners["bare"].clock)
    campaign = run.make_campaign(plan, make_provisioned(runners, cache), recorder)
    take_up(campaign, before)
    return campaign
