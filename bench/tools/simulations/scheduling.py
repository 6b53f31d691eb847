"""Simulate runs under the scheduler: what is decided, coverage of the intervals, false calls, and how the budget is split.

``python -m tare.bench.tools.simulations.scheduling`` prints the tables of ``docs/method.md`` (some five minutes).

The scheduler, the checkpoints, the interval and the rule are those of real runs; only the values are made up. The made-up
host has the cheap places' twelve workloads with the spreads and costs that a default run on a two-core nested virtual machine
showed, by time and by CPU time, which most of them measure in duets. A restless host has three times these spreads.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tare.bench.campaign.scheduler import (
    PRESUMED_BLOCKS,
    PRESUMED_DUETS,
    Candidate,
    choose,
    reached,
)
from tare.bench.planning.modes import FIRST_SHARE, FULL_BLOCKS, MODES
from tare.bench.planning.units import COLD_LOOSENESS
from tare.bench.tools.simulations.markdown import percent, sections, table
from tare.results.statistics.dependence import settle
from tare.results.statistics.estimates import one_sample
from tare.results.statistics.lasting import lasting_state
from tare.results.statistics.width import Width, checkpoint, width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

CONFIDENCE = 0.95
TARGET = math.log1p(0.01)
THRESHOLD = math.log1p(0.02)
MODE = MODES["default"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Blocks that a made-up workload is measured in."""

    seconds: float
    """Seconds of a block."""
    time: float | None = None
    """Standard deviation of a block's log ratio by time; ``None`` for duets, which have no times."""
    cpu: float | None = None
    """The same by CPU time; ``None`` where duets measure it."""
    looseness: float = 1.0
    """As :attr:`tare.bench.planning.units.Unit.looseness`."""

    @property
    def duet(self) -> bool:
        """Tell whether the jobs of a block share a CPU."""
        return self.time is None


HOST: Mapping[str, tuple[Measured, ...]] = {
    "start-up": (Measured(0.009, time=0.13, cpu=0.10, looseness=COLD_LOOSENESS),),
    "cpu": (Measured(0.23, time=0.006), Measured(0.30, cpu=0.006)),
    "cpu-all": (Measured(0.29, time=0.046), Measured(0.30, cpu=0.010)),
    "memory-read": (Measured(0.77, time=0.012), Measured(0.77, cpu=0.013)),
    "memory-write": (Measured(0.82, time=0.026), Measured(0.74, cpu=0.010)),
    "python": (Measured(0.41, time=0.023), Measured(0.44, cpu=0.006)),
    "switch": (Measured(0.25, time=0.022), Measured(0.36, cpu=0.008)),
    "syscall": (Measured(0.058, time=0.034), Measured(0.044, cpu=0.012)),
    "fork": (Measured(0.34, time=0.015), Measured(0.34, cpu=0.016)),
    "disk-seq": (Measured(0.19, time=0.088), Measured(0.17, cpu=0.090)),
    "disk-rand": (Measured(0.12, time=0.054), Measured(0.094, cpu=0.009)),
    "disk-fsync": (Measured(0.10, time=0.018), Measured(0.074, cpu=0.064)),
}
"""Spreads are medians of absolute deviations, times 1.48: outliers come with the noise."""


def normal(random: Generator, spread: float, count: int) -> NDArray[np.float64]:
    """Draw log ratios with normal noise."""
    return np.asarray(random.normal(0, spread, count))


def heavy(random: Generator, spread: float, count: int) -> NDArray[np.float64]:
    """Draw log ratios with Student's t noise of 3 degrees of freedom, of the same standard deviation."""
    return np.asarray(random.standard_t(3, count)) * spread / math.sqrt(3)


def bursts(random: Generator, spread: float, count: int) -> NDArray[np.float64]:
    """Draw log ratios of which a tenth has four times the spread, on either side."""
    wide = random.random(count) < 0.1
    return np.asarray(random.normal(0, spread, count)) * np.where(wide, 4.0, 1.0)


NOISES: Mapping[str, Callable[[Generator, float, int], NDArray[np.float64]]] = {
    "normal": normal,
    "Student's t, 3 degrees of freedom": heavy,
    "a tenth with four times the spread": bursts,
}


@dataclass(slots=True)
class Unit:
    """State of the blocks of one kind of one workload in a simulated run."""

    work: Measured
    values: tuple[NDArray[np.float64], ...]
    """Log ratios of the subject to the base, by each judged metric, as many as the run can have."""
    floors: tuple[NDArray[np.float64], ...]
    """The same of the base's second measurement: A/A."""
    blocks: int = 0
    known: tuple[int, tuple[Width, ...]] = (0, ())
    """Last checkpoint, and the half-widths over the target there."""

    @property
    def fewest(self) -> int:
        """Return the fewest blocks that may be enough."""
        return MODE.pilot_duets if self.work.duet else MODE.pilot_blocks

    def least(self, budget: float) -> int:
        """Return the blocks before widths are compared, as a real run's agenda does."""
        part = FIRST_SHARE * budget / sum(len(each) for each in HOST.values())
        return max(self.fewest, min(FULL_BLOCKS, int(part / self.work.seconds)))

    def ratios(self) -> tuple[float, ...]:
        """Return what a real run's :meth:`Precision.ratios` returns."""
        at = checkpoint(self.blocks)
        if at != self.known[0]:
            target = TARGET * self.work.looseness
            widths = (width(own[:at].tolist()) for own in self.values)
            self.known = at, tuple(Width(one.now / target, one.later / target) for one in widths)
        if not at:
            return (math.inf,)
        shrunk = math.sqrt(at / self.blocks)
        ratios = (one.now for one in self.known[1])
        return tuple(one if one <= 1 else max(one * shrunk, math.nextafter(1, 2)) for one in ratios)

    def later_ratios(self) -> tuple[float, ...]:
        """Return what a real run's :meth:`Precision.later_ratios` returns, after :meth:`ratios`."""
        shrunk = math.sqrt(self.known[0] / max(self.blocks, 1))
        return tuple(one.later * shrunk for one in self.known[1])


@dataclass(frozen=True, slots=True)
class Outcome:
    """One comparison of one workload at the end of a simulated run."""

    blocks: int
    covered: bool
    """The interval holds the true effect."""
    called: bool
    """Worse or better, by a threshold of 2 % or the noise floor, whichever is larger."""
    decided: bool
    """Worse, better or the same."""


def simulate(
    random: Generator,
    noise: Callable[[Generator, float, int], NDArray[np.float64]],
    budget: float,
    *,
    effect: float = 0.0,
    scale: float = 1.0,
    rule: Callable[[Sequence[Candidate], float], Candidate | None] = choose,
) -> dict[str, tuple[Outcome, Outcome]]:
    """Simulate one run; return the outcome by time and by CPU time of each workload."""
    shift = math.log1p(effect)
    units = {
        (name, place): _unit(
            random, noise, work, shift=shift, scale=scale, most=10 + int(budget / work.seconds)
        )
        for name, works in HOST.items()
        for place, work in enumerate(works)
    }
    left = budget
    while left > 0:
        rest = {
            f"{name} {place}": (unit, _candidate(f"{name} {place}", unit, ratios, budget))
            for (name, place), unit in units.items()
            if not reached(ratios := unit.ratios()) or unit.blocks < unit.fewest
        }
        chosen = rule([candidate for _, candidate in rest.values()], left)
        if chosen is None:
            break
        unit = rest[chosen.name][0]
        # Blocks of a hundredth of a second are given out in tens: nothing else changes in so short a time.
        step = max(1, min(round(0.1 / unit.work.seconds), checkpoint(unit.blocks) or 1))
        unit.blocks = min(unit.blocks + step, len(unit.values[0]))
        left -= step * unit.work.seconds
    return {
        name: (_outcome(units[name, 0], 0, shift), _outcome(units[name, len(works) - 1], -1, shift))
        for name, works in HOST.items()
    }


def _unit(
    random: Generator,
    noise: Callable[[Generator, float, int], NDArray[np.float64]],
    work: Measured,
    *,
    shift: float,
    scale: float,
    most: int,
) -> Unit:
    """Draw all that a unit could measure in a run."""
    spreads = [one for one in (work.time, work.cpu) if one is not None]
    drawn = [_draw(random, noise, scale * spread / math.sqrt(2), most) for spread in spreads]
    return Unit(work, tuple(own + shift for own, _ in drawn), tuple(floor for _, floor in drawn))


def _candidate(name: str, unit: Unit, ratios: tuple[float, ...], budget: float) -> Candidate:
    """Describe a unit as a real run's agenda does."""
    presumed = PRESUMED_DUETS if unit.work.duet else PRESUMED_BLOCKS
    least, later = unit.least(budget), unit.later_ratios()
    return Candidate(name, ratios, unit.blocks, unit.work.seconds, least, presumed, later)


def _draw(
    random: Generator,
    noise: Callable[[Generator, float, int], NDArray[np.float64]],
    spread: float,
    count: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the log ratios of a subject and of a second measurement to one base."""
    base, again, subject = (noise(random, spread, count) for _ in range(3))
    return subject - base, again - base


def _outcome(unit: Unit, which: int, shift: float) -> Outcome:
    low, high = _interval(unit.values[which][: unit.blocks])
    # The base is measured a second time in every other block.
    floor = abs(one_sample(unit.floors[which][: unit.blocks : 2], CONFIDENCE).value)
    margin = max(THRESHOLD, floor)
    nearest = max(low, -high)
    called = nearest > margin and nearest > lasting_state(unit.blocks)
    same = low > -THRESHOLD and high < THRESHOLD and floor <= THRESHOLD
    return Outcome(unit.blocks, low <= shift <= high, called, called or same)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Form the interval of a paired comparison, widened for what its units could depend on each other."""
    settled = settle(values.tolist())
    found = one_sample(settled.units, CONFIDENCE)
    if found.low is None or found.high is None:
        return -math.inf, math.inf
    return (
        found.value - max(settled.factor * (found.value - found.low), settled.reach),
        found.value + max(settled.factor * (found.high - found.value), settled.reach),
    )


def fair(candidates: Sequence[Candidate], left: float) -> Candidate | None:
    """Give every unit the same time."""
    del left
    return min(candidates, key=lambda one: one.blocks * one.block_seconds, default=None)


def capped(most: float) -> Callable[[Sequence[Candidate], float], Candidate | None]:
    """Make the rule of the square of the half-width over the target, capped, per second, and nothing else."""

    def rule(candidates: Sequence[Candidate], left: float) -> Candidate | None:
        del left

        def rank(one: Candidate) -> float:
            worth = sum(min(ratio, most) ** 2 for ratio in one.ratios if ratio > 1)
            return worth / max(one.blocks * one.block_seconds, 1e-9)

        return max(candidates, key=rank, default=None)

    return rule


RULES: Mapping[str, Callable[[Sequence[Candidate], float], Candidate | None]] = {
    "same time for all": fair,
    "ratio counts at most 5": capped(5),
    "ratio counts at most 2": capped(2),
    "what fits into the time left, cheapest first (ours)": choose,
}


def _runs(times: int, seed: int, **how: object) -> list[dict[str, tuple[Outcome, Outcome]]]:
    random = np.random.default_rng(seed)
    return [simulate(random, **how) for _ in range(times)]  # type: ignore[arg-type]  # passed on


def quality(times: int, seed: int) -> str:
    """Tabulate coverage and calls of all comparisons, by noise, true effect and budget."""
    rows = []
    for name, noise in NOISES.items():
        for budget in (60.0, 150.0):
            covered = []
            for effect in (0.0, 0.03):
                runs = _runs(times, seed, noise=noise, budget=budget, effect=effect)
                every = [one for run in runs for pair in run.values() for one in pair]
                covered += [percent(float(np.mean([one.covered for one in every])))]
                if effect == 0:
                    covered += [percent(float(np.mean([one.called for one in every])))]
            rows.append([name, f"{budget:.0f} s", covered[0], covered[2], covered[1]])
    heads = [
        "noise of a block's log ratio",
        "budget",
        "coverage, no effect",
        "coverage, 3 %",
        "false calls (A/A)",
    ]
    return table(heads, rows)


def decided(times: int, seed: int) -> str:
    """Tabulate how many of the twelve workloads are decided where nothing differs, by rule."""
    rows = []
    for name, rule in RULES.items():
        cells = []
        for budget, scale in ((60.0, 1.0), (410.0, 3.0), (410.0, 1.0)):
            runs = _runs(times, seed, noise=normal, budget=budget, scale=scale, rule=rule)
            by_time = np.mean([sum(time.decided for time, _ in run.values()) for run in runs])
            either = np.mean([sum(time.decided or cpu.decided for time, cpu in run.values()) for run in runs])
            cells.append(f"{by_time:.1f} / {either:.1f}")
        rows.append([name, *cells])
    heads = ["rule", "60 s", "410 s, restless host", "410 s"]
    return table(heads, rows)


TABLES: Mapping[str, Callable[[int, int], str]] = {
    "Coverage and false calls under the scheduler": quality,
    "Workloads decided of 12, by time / by time or CPU, by rule": decided,
}


if __name__ == "__main__":
    sys.stdout.write(sections(TABLES, times=60, seed=1) + "\n")
