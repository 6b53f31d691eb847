"""Simulate runs that are extended because a row is undecided: coverage of the intervals, and false calls.

``python -m tare.bench.tools.simulations.extensions`` prints the table of ``docs/method.md`` (some two minutes). Whoever extends a
run has seen its verdicts, and its price counts on the difference that was seen. So what an extension measures depends on that
difference, unlike what a run measures by itself. The rule, the price and the intervals are those of real runs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tare.bench.tools.simulations.error_rates import CONFIDENCE, series_of
from tare.bench.tools.simulations.markdown import percent, table
from tare.bench.tools.simulations.scheduling import NOISES
from tare.results.judgement.price import blocks_needed
from tare.results.judgement.rule import judge
from tare.results.judgement.thresholds import DEFAULT_THRESHOLD
from tare.results.statistics.ratios import paired_log_ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

TIMES = 400
"""Draws for each figure."""
SPREADS = (0.015, 0.04)
"""Standard deviations of a block's log ratio."""
BLOCKS = (20, 45)
"""Blocks before the extension."""
MOST_TIMES = 30
"""Extensions that would take more than so many times the blocks are not made."""


@dataclass(frozen=True, slots=True)
class Extended:
    """One simulated row, extended if that has a price."""

    verdict: str
    """Verdict at the end."""
    extended: bool
    covered: bool
    """The last interval holds the true difference."""


def simulate(
    random: Generator,
    noise: Callable[[Generator, float, int], NDArray[np.float64]],
    spread: float,
    blocks: int,
    effect: float,
) -> Extended:
    """Measure a row, judge it, and measure on for its price where it is undecided."""
    most = MOST_TIMES * blocks
    base, again, subject = (np.exp(noise(random, spread / 2**0.5, most)) for _ in range(3))
    subject = subject * (1 + effect)

    def judged(count: int) -> tuple[str, bool, int | None]:
        bare = series_of(base[:count], "bare")
        cost = paired_log_ratio(series_of(subject[:count], "box"), bare, CONFIDENCE)
        # The base is measured a second time in every other block.
        floor = paired_log_ratio(series_of(again[:count], "control"), bare, CONFIDENCE)
        assert cost is not None, "simulated values are positive"  # noqa: S101
        verdict = judge(cost, floor, DEFAULT_THRESHOLD).verdict
        needed = blocks_needed(cost, floor, DEFAULT_THRESHOLD, 0.0, count)
        low, high = cost.interval.low, cost.interval.high
        covered = low is not None and high is not None and low <= np.log1p(effect) <= high
        return verdict, covered, needed if verdict == "undecided" else None

    verdict, covered, needed = judged(blocks)
    if needed is None or needed > most:
        return Extended(verdict, extended=False, covered=covered)
    verdict, covered, _ = judged(needed)
    return Extended(verdict, extended=True, covered=covered)


def figures(times: int, seed: int) -> str:
    """Tabulate what extensions do to rows of each kind of noise, as Markdown."""
    effects = (0.0, DEFAULT_THRESHOLD, 0.03)
    heads = ["noise of a block's log ratio", "blocks", "extended (0, 2, 3 %)", "coverage (0, 2, 3 %)"]
    heads += ["false calls (A/A)", "called at 2 %", "found at 3 %"]
    rows = []
    for name, noise in NOISES.items():
        for spread, blocks in product(SPREADS, BLOCKS):
            random = np.random.default_rng(seed)
            found = [
                [simulate(random, noise, spread, blocks, effect) for _ in range(times)] for effect in effects
            ]
            called = [np.mean([one.verdict in {"worse", "better"} for one in own]) for own in found]
            extended = [percent(float(np.mean([one.extended for one in own]))) for own in found]
            covered = [percent(float(np.mean([one.covered for one in own]))) for own in found]
            rows.append(
                [f"{name}, {percent(spread)}", str(blocks), " / ".join(extended), " / ".join(covered)]
                + [percent(float(share)) for share in called]
            )
    return table(heads, rows)


if __name__ == "__main__":
    sys.stdout.write(figures(times=TIMES, seed=1) + "\n")
