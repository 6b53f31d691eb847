"""Make campaigns on fake runners: nothing is launched, and what would be stored is kept in a list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tare.bench.campaign.loop import Campaign
from tare.bench.campaign.provision import Provisioned
from tare.bench.campaign.recorder import Recorder
from tare.bench.campaign.remaining import Remaining
from tare.bench.campaign.stopping import EVERY_BLOCK
from tare.bench.planning.runners import Bench
from tare.bench.progress import Silent
from tare.runners.context import RunContext, Supplies
from tare.runners.model import Limits
from tare.runners.settings import RunnerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tare.bench.campaign.remaining import SlotKey
    from tare.bench.campaign.stopping import Stopping
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.results.record import Trial
    from tare.runners.context import Runner

LIMITS = Limits(cpus=1, memory_bytes=1 << 20)


def make_provisioned(runners: Mapping[str, Runner]) -> Provisioned:
    """Give prepared runners that need no image and nothing of the host."""
    context = RunContext("run", Path("/nowhere"), Path("/nowhere"), launcher=None)
    return Provisioned(Bench(Supplies(context, None, RunnerSettings()), runners, {}), None, LIMITS)


def make_recorder(
    store: Callable[[Trial], object],
    *,
    progress: Progress | None = None,
    stopping: Stopping = EVERY_BLOCK,
    number: int = 0,
    invocation: int = 0,
) -> Recorder:
    """Make the recorder of the run ``run``."""
    return Recorder("run", store, progress or Silent(), stopping, number=number, invocation=invocation)


def make_campaign(
    plan: Plan,
    runners: Mapping[str, Runner],
    store: Callable[[Trial], object],
    *,
    done: frozenset[SlotKey] = frozenset(),
    stopping: Stopping = EVERY_BLOCK,
    **counts: int,
) -> Campaign:
    """Make a campaign that shows no progress; ``counts``: ``number`` and ``invocation`` of a resumed one."""
    recorder = make_recorder(store, stopping=stopping, **counts)
    return Campaign(Remaining(plan, done, stopping), make_provisioned(runners), recorder)
