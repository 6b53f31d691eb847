"""Simulate the error rates of the method where blocks depend on each other, where clocks are coarse and values equal.

``python -m tare.bench.tools.simulations.dependence`` prints the tables of ``docs/method.md`` (some five minutes). Every
number comes from the functions that judge real runs. The noise of each series is its own: what hits all runners of a
block alike cancels in pairs and would be no test.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tare.bench.tools.simulations.error_rates import CONFIDENCE, series_of
from tare.bench.tools.simulations.markdown import percent, table
from tare.results.judgement.rule import judge
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD
from tare.results.statistics.ratios import paired_log_ratio, unpaired_log_ratio
from tare.results.statistics.symptoms import drift_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

TIMES = 400
"""Draws for each figure."""
COUNTS = (10, 15, 20, 30, 45, 100, 300)
"""Numbers of blocks."""


def independent(deviation: float) -> Callable[[Generator, int], NDArray[np.float64]]:
    """Make noise of independent blocks."""
    return lambda random, n: random.normal(0, deviation, n)


def autocorrelated(correlation: float, deviation: float) -> Callable[[Generator, int], NDArray[np.float64]]:
    """Make an autoregressive noise of first order."""

    def draw(random: Generator, n: int) -> NDArray[np.float64]:
        steps = random.normal(0, deviation * math.sqrt(1 - correlation**2), n)
        x = np.empty(n)
        x[0] = random.normal(0, deviation)
        for i in range(1, n):
            x[i] = correlation * x[i - 1] + steps[i]
        return x

    return draw


def sticky(stay: float, distance: float) -> Callable[[Generator, int], NDArray[np.float64]]:
    """Make a noise of 1 % in two states, each kept from block to block with a chance of ``stay``."""

    def draw(random: Generator, n: int) -> NDArray[np.float64]:
        switches = random.random(n) >= stay
        switches[0] = random.random() < 0.5
        return distance * (np.cumsum(switches) % 2) + random.normal(0, 0.01, n)

    return draw


def wandering(step: float, deviation: float) -> Callable[[Generator, int], NDArray[np.float64]]:
    """Make a random walk with independent noise on it."""
    return lambda random, n: np.cumsum(random.normal(0, step, n)) + random.normal(0, deviation, n)


def mostly_equal(share: float) -> Callable[[Generator, int], NDArray[np.float64]]:
    """Make independent values of which a share is exactly equal, the others 3 % apart."""
    return lambda random, n: np.where(random.random(n) < share, 0.0, random.normal(0, 0.03, n))


WORLDS: dict[str, Callable[[Generator, int], NDArray[np.float64]]] = {
    "independent, 1 %": independent(0.01),
    "independent, 3 %": independent(0.03),
    "90 % equal values": mostly_equal(0.9),
    "AR(0.3), 3 %": autocorrelated(0.3, 0.03),
    "AR(0.6), 3 %": autocorrelated(0.6, 0.03),
    "AR(0.9), 3 %": autocorrelated(0.9, 0.03),
    "AR(0.9), 10 %": autocorrelated(0.9, 0.10),
    "states 5 % apart, kept 90 %": sticky(0.9, 0.05),
    "states 10 % apart, kept 80 %": sticky(0.8, 0.10),
    "states 10 % apart, kept 90 %": sticky(0.9, 0.10),
    "states 20 % apart, kept 90 %": sticky(0.9, 0.20),
    "states 10 % apart, kept 95 %": sticky(0.95, 0.10),
    "walk of 0.3 % a block, 1 %": wandering(0.003, 0.01),
    "walk of 1 % a block, 1 %": wandering(0.01, 0.01),
    "walk of 1 % a block, 3 %": wandering(0.01, 0.03),
}
"""Name → noise of one series; percentages are standard deviations unless they say otherwise."""


class Rates(NamedTuple):
    """Shares of the verdicts among comparisons of one kind."""

    called: float
    """Share called worse or better."""
    worse: float
    same: float


def rates(
    draw: Callable[[Generator, int], NDArray[np.float64]],
    blocks: int,
    times: int,
    *,
    effect: float = 0.0,
    between: bool = False,
    tick: float = 0.0,
) -> Rates:
    """Return the shares of verdicts on two series of a world.

    Args:
        draw: Noise of the world.
        blocks: Number of blocks.
        times: Number of draws.
        effect: Relative slowdown of the second series.
        between: Compare them as two runs instead of paired within one.
        tick: Step of the clock, in units of the true value; 0 for a fine one.
    """
    random = np.random.default_rng(7)
    found = []
    for _ in range(times):
        values = [np.exp(draw(random, blocks)) * (1 + e) for e in (0.0, effect)]
        if tick:
            values = [np.maximum(np.round(v / tick), 1) * tick for v in values]
        base, subject = (series_of(v, name) for v, name in zip(values, ("bare", "subject"), strict=True))
        compare = unpaired_log_ratio if between else paired_log_ratio
        drift = max(drift_of(base), drift_of(subject)) if between else 0.0
        found.append(judge(compare(subject, base, CONFIDENCE), None, DEFAULT_THRESHOLD, drift).verdict)
    worse, better, same = (found.count(verdict) / times for verdict in ("worse", "better", "same"))
    return Rates(worse + better, worse, same)


def false_calls(times: int, *, between: bool) -> str:
    """Tabulate calls where nothing differs, without a noise floor, and in parentheses how often equality is shown."""
    rows = []
    for name, draw in WORLDS.items():
        found = (rates(draw, n, times, between=between) for n in COUNTS)
        rows.append([name, *(f"{percent(r.called)} ({r.same * 100:.0f} %)" for r in found)])
    return table(["world", *(f"{n} blocks" for n in COUNTS)], rows)


def power(times: int) -> str:
    """Tabulate the slowdowns of 3 % and 5 % that are found within a run."""
    rows = []
    for name, draw in WORLDS.items():
        cells = []
        for n in COUNTS[2:]:
            three, five = (rates(draw, n, times, effect=effect).worse for effect in (0.03, 0.05))
            cells.append(f"{three * 100:.0f} / {five * 100:.0f} %")
        rows.append([name, *cells])
    return table(["world", *(f"{n} blocks" for n in COUNTS[2:])], rows)


def coarse_clocks(times: int) -> str:
    """Tabulate verdicts on values of 2 % noise that a coarse clock reads."""
    rows = []
    for tick in (0.1, 0.02, 0.001):
        for n in (15, 45, 300):
            cells = []
            for effect in (0.0, 0.03, 0.2):
                found = rates(independent(0.02), n, times, effect=effect, tick=tick)
                cells.append(f"{percent(found.worse)} / {percent(found.same)}")
            rows.append([f"{tick * 100:g} %", str(n), *cells])
    return table(["step", "blocks", *(f"{e} %: worse / same" for e in (0, 3, 20))], rows)


def tables(times: int) -> str:
    """Return all tables as Markdown."""
    found = {
        "Blocks that depend on each other, within a run: false calls (and `same`)": false_calls(
            times, between=False
        ),
        "Blocks that depend on each other, between two runs: false calls (and `same`)": false_calls(
            times, between=True
        ),
        "Blocks that depend on each other, within a run: slowdowns of 3 % / 5 % found": power(times),
        "Coarse clocks, within a run: 2 % noise, slowdowns of 0, 3 and 20 %": coarse_clocks(times),
    }
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in found.items())


if __name__ == "__main__":
    sys.stdout.write(tables(TIMES) + "\n")
