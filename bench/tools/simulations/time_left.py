"""Simulate runs, and compare the time left that they show with the time that they take.

``python -m tare.bench.tools.simulations.time_left`` prints the table of ``docs/method.md`` (some five minutes). Agenda, ledger,
scheduler and estimate are those of real runs; only the clock and the trials are made up. Comparisons of two versions have noise
of 1 to 6 % and jobs of 20 to 100 ms, both drawn anew for each run; a default run has the host of the scheduler's simulation.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tare.bench.campaign.agenda import Agenda
from tare.bench.campaign.ledger import Ledger
from tare.bench.campaign.time_left import TOLERANCE, likeliest
from tare.bench.planning.case import Case
from tare.bench.planning.estimates import Estimates
from tare.bench.planning.modes import JOB_SECONDS
from tare.bench.planning.plan import Plan
from tare.bench.tools.simulations.markdown import percent, sections, table
from tare.bench.tools.simulations.scheduling import HOST, NOISES
from tare.bench.workloads.base import Workload
from tare.results.record import BASE, CONTROL, CPU_TIME, DUET_CPU_TIME, Metric, Trial
from tare.results.statistics.width import CHECKPOINTS, width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from tare.bench.measurable import WorkloadKind
    from tare.bench.planning.units import Unit
    from tare.bench.workloads.base import Duet
    from tare.results.record import Ending
    from tare.runners.model import Job, JobResult

    Noise = Callable[[Generator, float, int], NDArray[np.float64]]

HEAD = "head"
"""Label of what is compared with the base."""
SPREADS = 0.01, 0.06
"""Least and largest standard deviation of a block's log ratio."""
JOBS = 0.02, 0.1
"""Seconds of the shortest and the longest job."""
CPU_SHARE = 0.5
"""Standard deviation by CPU time relative to that by time."""
OVERHEAD_SECONDS = 0.004
"""Seconds of a trial outside its job."""
PRECISION = 0.005
"""Half-width that comparisons of two versions aim at."""
MOST_BLOCKS = 1000
"""Most blocks of a comparison whose spread is known."""
MOMENTS = 0.1, 1 / 3, 2 / 3
"""Parts of its real length after which a run is asked how long it will go on."""


@dataclass(frozen=True)
class MadeUp(Workload):
    """A workload that exists as a name and a kind, and is never run."""

    name: str = "work"
    family: str = "made-up"
    summary: str = ""

    def job(self, site: object, seconds: float) -> Job:
        """Refuse, since a simulation runs no programs."""
        raise NotImplementedError

    def metrics(self, result: JobResult) -> tuple[Metric, ...]:
        """Refuse, since a simulation runs no programs."""
        raise NotImplementedError

    def nominal_seconds(self, opening_seconds: float, job_seconds: float) -> float:
        """Return what a job is estimated to take before one was measured."""
        del opening_seconds
        return job_seconds


@dataclass(frozen=True)
class Sharing(MadeUp):
    """A workload whose CPU time is measured in duets."""

    duet: ClassVar[Duet] = "one"


@dataclass(frozen=True)
class Starting(MadeUp):
    """A workload whose places are made anew for each job."""

    kind: ClassVar[WorkloadKind] = "cold"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a trial, and standard deviations of a block's log ratio."""

    seconds: float
    time: float
    cpu: float


@dataclass(slots=True)
class World:
    """Made-up host: a clock, and noise that costs the same to whoever is measured."""

    random: Generator
    noise: Noise
    costs: Mapping[tuple[str, bool], Cost]
    """Name of a workload, and whether it is measured in duets → what its trials cost."""
    seconds: float = 0.0
    trials: int = 0
    _drawn: dict[float, list[float]] = field(default_factory=dict)

    def now(self) -> float:
        """Return the made-up time in seconds."""
        return self.seconds

    def draw(self, spread: float) -> float:
        """Draw one side's deviation, given that of the log ratio of two sides."""
        own = self._drawn.setdefault(spread, [])
        if not own:
            own += self.noise(self.random, spread / math.sqrt(2), 1000).tolist()
        return own.pop()

    def measure(self, plan: Plan, ledger: Ledger, unit: Unit) -> None:
        """Measure the next block of a unit."""
        number = ledger.next_block(unit)
        for case in plan.block(unit, number):
            cost = self.costs[case.workload.name, unit.duet]
            by_time, by_cpu = self.draw(cost.time), self.draw(cost.cpu)
            spent = cost.seconds * math.exp(by_time)
            cpu = _metric(DUET_CPU_TIME if unit.duet else CPU_TIME, math.exp(by_cpu), primary=False)
            ledger.add(
                Trial(
                    run="", number=self.trials, workload=case.workload.name, family="", runner=case.runner, accelerator="none",
                    block=number, outcome="ok", duet=unit.duet, invocation=self.trials, spent_seconds=spent,
                    metrics=(cpu,) if unit.duet else (_metric("made-up", math.exp(by_time), primary=True), cpu),
                )
            )  # fmt: skip
            self.trials += 1
            self.seconds += spent


def _metric(name: str, value: float, *, primary: bool) -> Metric:
    return Metric(
        name=name, value=value, unit="s", direction="lower", clock="host-monotonic", primary=primary
    )


@dataclass(frozen=True, slots=True)
class Told:
    """Length of a run, and the times left that it showed."""

    seconds: float
    ended: Ending
    said: tuple[tuple[float, float], ...]
    """Seconds since the beginning, and the time left that was shown then, block by block."""

    def ratio(self, part: float) -> float:
        """Return the time left that was shown after a part of the run, over what was left."""
        at = part * self.seconds
        passed, left = next(one for one in reversed(self.said) if one[0] <= at)
        return max(left - (at - passed), 0.0) / (self.seconds - at)


def simulate(plan: Plan, world: World) -> Told:
    """Simulate one run, and note the time left after each block."""
    ledger = Ledger(plan, BASE, {})
    agenda = Agenda(plan, ledger, Estimates(dict.fromkeys((BASE, HEAD), "none")), now=world.now)
    agenda.begin()
    said = [(0.0, agenda.seconds_left())]
    while unit := agenda.next():
        world.measure(plan, ledger, unit)
        said.append((world.seconds, agenda.seconds_left()))
    return Told(world.seconds, agenda.ended, tuple(said))


def comparison(random: Generator, noise: Noise, budget: float, *, duets: bool) -> Told:
    """Simulate a comparison of two versions as ``tare ab`` makes it; spread and length of its jobs are drawn."""
    spread, job = (math.exp(random.uniform(math.log(low), math.log(high))) for low, high in (SPREADS, JOBS))
    cost = Cost(job + OVERHEAD_SECONDS, spread, CPU_SHARE * spread)
    work = Sharing() if duets else MadeUp()
    costs = {(work.name, duet): cost for duet in (False, True)}
    return simulate(_plan([work], budget, precision=PRECISION, kind=_OfVersions), World(random, noise, costs))


def default_run(random: Generator, noise: Noise, budget: float) -> Told:
    """Simulate a default run of the cheap places' workloads."""
    works: list[Workload] = []
    costs = {}
    for name, kinds in HOST.items():
        works.append((Sharing if len(kinds) > 1 else Starting if kinds[0].looseness > 1 else MadeUp)(name))
        for kind in kinds:
            # A block has two trials and every other time a third.
            costs[name, kind.duet] = Cost(kind.seconds / 2.5, kind.time or 0.0, kind.cpu or 0.0)
    return simulate(_plan(works, budget, precision=0.01), World(random, noise, costs))


class _OfVersions(Plan, frozen=True, kw_only=True):
    """A comparison of versions, which are simulated as two runners."""

    @property
    def compares_versions(self) -> bool:
        """Agree."""
        return True


def _plan(works: Sequence[Workload], budget: float, *, precision: float, kind: type[Plan] = Plan) -> Plan:
    return kind(
        mode="default",
        seed=1,
        cases=tuple(Case(work, key) for work in works for key in (BASE, CONTROL, HEAD)),
        precision=precision,
        job_seconds=JOB_SECONDS,
        warmups=False,
        budget_seconds=budget,
        estimate_seconds=budget,
        cheap=frozenset({BASE, CONTROL, HEAD}),
    )


def shown(times: int, seed: int) -> str:
    """Tabulate how right the time left is, by kind of run and by why it ended."""
    rows = []
    for name, noise in NOISES.items():
        random = np.random.default_rng(seed)
        runs = [
            comparison(random, noise, budget, duets=duets)
            for budget, duets, _ in product((58.0, 550.0), (False, True), range(times))
        ]
        rows += _rows(f"two versions, {name}", runs)
    random = np.random.default_rng(seed)
    few = range(max(times // 5, 1))
    for budget in (60.0, 550.0, 3000.0):
        rows += _rows(
            f"default workloads, {budget:.0f} s",
            [default_run(random, NOISES["normal"], budget) for _ in few],
        )
    heads = ["run", "it ended", "runs", "after a tenth", "after a third", "after two thirds"]
    return table(heads, rows)


def _rows(name: str, runs: Sequence[Told]) -> list[list[str]]:
    """Give the runs that reached their precision a row, and those that spent their budget."""
    rows = []
    for ended, words in (("decided", "precise"), ("budget", "budget spent")):
        if own := [run for run in runs if run.ended == ended]:
            found = [np.array([run.ratio(part) for run in own]) for part in MOMENTS]
            cells = [
                f"{percent(float(np.mean(abs(one - 1) <= TOLERANCE)))} ({np.median(one):.2f})"
                for one in found
            ]
            rows.append([name, words, str(len(own)), *cells])
    return rows


def knowable(times: int, seed: int) -> str:
    """Tabulate how often one figure would be right for whoever knew the spread exactly, before the run."""
    rows = []
    for (name, noise), spread in product(NOISES.items(), (0.01, 0.03)):
        random = np.random.default_rng(seed)
        ends = sorted(_end(random, noise, spread) for _ in range(times))
        best = likeliest(ends)
        right = float(np.mean([abs(best / end - 1) <= TOLERANCE for end in ends]))
        rows.append(
            [name, percent(spread), *(str(ends[int(q * times)]) for q in (0.1, 0.5, 0.9)), percent(right)]
        )
    heads = [
        "noise of a block's log ratio",
        "its standard deviation",
        "blocks, 10th percentile",
        "median",
        "90th percentile",
    ]
    return table([*heads, "share within a quarter of one figure"], rows)


def _end(random: Generator, noise: Noise, spread: float) -> int:
    """Return the number of blocks with which a comparison is precise."""
    one, other = (noise(random, spread / math.sqrt(2), MOST_BLOCKS) for _ in range(2))
    ratios, target = (one - other).tolist(), math.log1p(PRECISION)
    looks = (look for look in CHECKPOINTS if look <= MOST_BLOCKS)
    return next((look for look in looks if width(ratios[:look]).now <= target), MOST_BLOCKS)


TABLES: Mapping[str, Callable[[int, int], str]] = {
    "Share of runs whose time left is right within a quarter (median of shown over true)": shown,
    "Blocks until a comparison is precise": knowable,
}


if __name__ == "__main__":
    sys.stdout.write(sections(TABLES, times=60, seed=1) + "\n")
