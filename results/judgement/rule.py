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

from tare.results.said import say
from tare.results.statistics.estimates import FEWEST
from tare.results.statistics.lasting import lasting_state, rounds_for
from tare.results.statistics.phrases import count, magnitude, more_or_less, span, there_are, times

if TYPE_CHECKING:
    from tare.results.judgement.comparison import Verdict
    from tare.results.statistics.ratios import LogRatio


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
    ``(1 - confidence) / 2``. A call must also exceed what a lasting state may do unseen (:func:`lasting_state`).

    Args:
        cost: The ratio to judge, or ``None`` if none could be formed.
        floor: The A/A ratio, or ``None`` if the base was not measured twice.
        threshold: Relative difference that matters: 0.02 is 2 %.
        drift: Change of level within a run, as the absolute value of a log ratio.
    """
    if cost is None or cost.interval.low is None or cost.interval.high is None:
        return Judged("undecided", _too_few(cost))
    low, high = cost.interval.low, cost.interval.high
    limit = math.log1p(threshold)
    noise = max(0.0 if floor is None else abs(floor.interval.value), drift)
    margin = max(limit, noise)
    within = span(low, high)
    if noise <= limit:
        beyond = say("beyond.threshold", "the threshold of {size}", size=magnitude(limit))
    elif noise == drift:
        beyond = say("beyond.drift", "the drift within a run of {size}", size=magnitude(noise))
    else:
        beyond = say("beyond.floor", "the noise floor of {size}", size=magnitude(noise))
    if (nearest := max(low, -high)) > margin:
        costs = more_or_less(cost.interval.value, low, high)
        if nearest > lasting_state(cost.rounds):
            told = say(
                "rule.beyond", "It costs {costs} ({within}), wholly beyond {beyond}.",
                costs=costs, within=within, beyond=beyond,
            )  # fmt: skip
            return Judged("worse" if low > margin else "better", told)
        return Judged("undecided", _may_last(cost.rounds, nearest, costs, within))
    if low > -limit and high < limit:
        if noise <= limit:
            told = say(
                "rule.within",
                "The difference ({within}) lies wholly within {beyond}.",
                within=within,
                beyond=beyond,
            )
            return Judged("same", told)
        return Judged("undecided", _too_noisy(magnitude(noise), magnitude(limit), drifts=noise == drift))
    return Judged("undecided", _why_undecided(cost, within, beyond, (low, high), margin))


def _too_noisy(noise: str, limit: str, *, drifts: bool) -> str:
    if drifts:
        return say(
            "rule.drifts",
            "A run drifts by {noise}, more than the threshold of {limit}: this host cannot show equality now.",
            noise=noise, limit=limit,
        )  # fmt: skip
    return say(
        "rule.noisy",
        "Two identical measurements of the base differ by {noise}, more than the threshold of {limit}: this host cannot "
        "show equality now.",
        noise=noise, limit=limit,
    )  # fmt: skip


def _may_last(rounds: int, nearest: float, costs: str, within: str) -> str:
    return say(
        "rule.may_last",
        "It costs {costs} ({within}), but in {blocks} a lasting state of the machine may do as much unseen: about "
        "{needed} blocks would show the difference.",
        costs=costs, within=within, blocks=count(rounds, "block"), needed=rounds_for(nearest),
    )  # fmt: skip


def _too_few(cost: LogRatio | None) -> str:
    if cost is None:
        return say(
            "rule.no_ratio", "There is no ratio: a value is zero, or no block has values of both sides."
        )
    if all(len(side) == 1 for side in cost.units):
        return say(
            "rule.one_each",
            "One invocation each: {needed} are needed for an interval.",
            needed=count(FEWEST, cost.unit),
        )
    return say(
        "rule.too_few", "{needed} are needed for an interval, but {there}.",
        needed=count(FEWEST, cost.unit), there=there_are(cost.interval.n, cost.unit),
    )  # fmt: skip


def _why_undecided(
    cost: LogRatio, within: str, beyond: str, interval: tuple[float, float], margin: float
) -> str:
    if cost.allowed:
        return say(
            "rule.few_openings",
            "The difference ({within}) is uncertain because the places were opened {times} only; at least {fewest} "
            "openings show how much they differ.",
            within=within, times=times(cost.invocations), fewest=FEWEST,
        )  # fmt: skip
    if cost.dependent:
        return say(
            "rule.dependent",
            "Rounds depend on each other, as in a drift or in lasting states: the difference ({within}) is as uncertain "
            "as all that they span.",
            within=within,
        )
    if cost.coarse:
        return say(
            "rule.coarse",
            "The difference ({within}) is uncertain because the clock reads in steps of {step}: a finer clock or a longer "
            "job would show it.",
            within=within, step=magnitude(cost.coarseness),
        )  # fmt: skip
    if -margin <= interval[0] and interval[1] <= margin:
        return say(
            "rule.maybe_noise", "The difference ({within}) lies within {beyond}, so it may be noise.",
            within=within, beyond=beyond,
        )  # fmt: skip
    return say(
        "rule.too_wide", "The difference ({within}) extends beyond {beyond}: more {units} would make the interval narrower.",
        within=within, beyond=beyond, units=say(f"noun.{cost.unit}", f"{cost.unit}s"),
    )  # fmt: skip
