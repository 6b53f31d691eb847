"""Apply the rule that turns one cost and its noise floor into one of four verdicts.

``docs/method.md`` gives the reasons and the error rates.

References:
    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15(6): equivalence by two one-sided tests.
    Georges, Buytaert, Eeckhout 2007, "Statistically rigorous Java performance evaluation", OOPSLA.
    Kalibera, Jones 2013, "Rigorous benchmarking in reasonable time", ISMM.
    Chen, Revels 2016, "Robust benchmarking in noisy environments", HPEC.
    Laaber, Scheuner, Leitner 2019, "Software microbenchmarking in the cloud", Empir. Softw. Eng. 24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tare.results.statistics.estimates import FEWEST
from tare.results.statistics.phrases import magnitude, more_or_less, span, there_are, times

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Verdict
    from tare.results.statistics.series import LogRatio


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and the sentence that says why."""

    verdict: Verdict
    because: str


def judge(cost: LogRatio | None, floor: LogRatio | None, threshold: float, drift: float = 0.0) -> Judged:
    """Form the verdict of one comparison.

    With ``M`` the largest of the threshold, the noise floor (the A/A ratio's distance from 1) and, between runs, the
    ``drift`` within one:
    ``worse`` if the whole interval of the cost lies above ``1 + M``, ``better`` if it lies below
    ``1 / (1 + M)``, ``same`` if it lies within the threshold on both sides and the floor does too, else
    ``undecided``. The three regions do not overlap, and each is one or two one-sided tests at
    ``(1 - confidence) / 2``.

    Args:
        cost: The ratio to judge, or ``None`` if none could be formed.
        floor: The A/A ratio, or ``None`` if the base was not measured twice.
        threshold: Relative difference that matters: 0.02 is 2 %.
        drift: Change of level within a run, as the absolute value of a log ratio.
    """
    if cost is None:
        return Judged(
            "undecided", "There is no ratio: a value is zero, or no block has values of both sides."
        )
    low, high = cost.interval.low, cost.interval.high
    if low is None or high is None:
        return Judged("undecided", _too_few(cost))
    limit = math.log1p(threshold)
    noise = max(0.0 if floor is None else abs(floor.interval.value), drift)
    margin = max(limit, noise)
    within = span(low, high)
    source = "drift within a run" if noise == drift else "noise floor"
    beyond = (
        f"the threshold of {magnitude(limit)}" if noise <= limit else f"the {source} of {magnitude(noise)}"
    )
    if low > margin or high < -margin:
        text = f"It costs {more_or_less(cost.interval.value, low, high)} ({within}), wholly beyond {beyond}."
        return Judged("worse" if low > margin else "better", text)
    if low > -limit and high < limit:
        if noise <= limit:
            return Judged("same", f"The difference ({within}) lies wholly within {beyond}.")
        text = "A run drifts" if noise == drift else "Two identical measurements of the base differ"
        more_than = f"by {magnitude(noise)}, more than the threshold of {magnitude(limit)}"
        return Judged("undecided", f"{text} {more_than}: this host cannot show equality now.")
    return Judged("undecided", _why_undecided(cost, within, beyond, (low, high), margin))


def _too_few(cost: LogRatio) -> str:
    if all(len(side) == 1 for side in cost.units):
        return f"One invocation each: {FEWEST} {cost.unit}s are needed for an interval."
    return f"{FEWEST} {cost.unit}s are needed for an interval, but {there_are(cost.interval.n, cost.unit)}."


def _why_undecided(
    cost: LogRatio, within: str, beyond: str, interval: tuple[float, float], margin: float
) -> str:
    if cost.allowed:
        return (
            f"The difference ({within}) is uncertain because the places were opened {times(cost.invocations)} only; "
            f"at least {FEWEST} openings show how much they differ."
        )
    if -margin <= interval[0] and interval[1] <= margin:
        return f"The difference ({within}) lies within {beyond}, so it may be noise."
    return f"The difference ({within}) extends beyond {beyond}: more {cost.unit}s would make the interval narrower."
