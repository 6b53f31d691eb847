"""Put answers into words: verdicts with what is known, in half a sentence."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from tare.reports.text import numbers
from tare.results.statistics import phrases
from tare.results.statistics.exponents import expm1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.reports.text.words import Words
    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison
    from tare.results.statistics.estimates import Estimate


def both(answers: Answers, words: Words) -> str:
    """Tell both answers: ``CPU: no difference that matters (0.99–1.01); time: at most 3.8 % more``."""
    time = words("answer.time", told=told(answers.time, words))
    if answers.cpu is None:
        return time
    return words.row((words("answer.cpu", told=told(answers.cpu, words)), time))


def headline(rows: Sequence[Answers], words: Words) -> str:
    """Count what is decided, and by what, as in ``11 of 12 workloads decided: 6 by time and CPU, 5 by CPU``."""
    counts = Counter(row.by for row in rows)
    parts = [words(f"answer.by_{by}", n=counts[by]) for by in ("both", "time", "cpu") if counts[by]]
    if not parts:
        return words("answer.none_decided_one" if len(rows) == 1 else "answer.none_decided", total=len(rows))
    n = len(rows) - counts["none"]
    key = "answer.decided_one" if len(rows) == 1 else "answer.decided"
    return words(key, n=n, total=len(rows), parts=", ".join(parts))


def told(comparison: Comparison, words: Words) -> str:
    """Tell one answer: the verdict with its interval, or the bounds of what is undecided."""
    ends = numbers.interval(comparison.cost, "ratio")
    value = numbers.ratio(comparison.cost.value, width=numbers.width_of(comparison.cost))
    if comparison.verdict == "undecided":
        return bounds(comparison, words)
    if comparison.verdict == "same":
        return words("answer.same", ends=ends)
    log = math.log(comparison.cost.value)
    return words("answer.called", change=_change(log, value, words), ends=ends)


def bounds(comparison: Comparison, words: Words) -> str:
    """Tell what is known of an undecided answer: ``at most 3.8 % more, at most 1.2 % less``."""
    cost = comparison.cost
    if comparison.refused:
        return words("answer.refused")
    if not math.isfinite(cost.value) or cost.value <= 0:
        return words("answer.no_ratio")
    if cost.low is None or cost.high is None or cost.low <= 0:
        return words("answer.no_interval", n=cost.n)
    low, high = math.log(cost.low), math.log(cost.high)
    first, last = (f"{end}{numbers.TIMES}" for end in numbers.ends(cost, "ratio"))
    if low >= 0 or high <= 0:
        (near, least), (far, most) = sorted(((low, first), (high, last)), key=lambda end: abs(end[0]))
        return words("answer.between", least=_change(near, least, words), most=_change(far, most, words))
    if -low >= math.log(2):
        return words("answer.useless" if says_nothing(cost) else "answer.span", low=first, high=last)
    return words("answer.bounds", more=_change(high, last, words), less=change(low, words))


def says_nothing(cost: Estimate) -> bool:
    """Tell whether an interval begins far below no difference and is so wide that its ends tell nobody anything."""
    if cost.low is None or cost.high is None or cost.low <= 0:
        return False
    return cost.low <= 0.5 and cost.high >= numbers.APART * cost.low


def span_of_time(seconds: float, words: Words) -> str:
    """Round a span of time up, for budgets: ``40 s``, ``6 min``, ``3 h``."""
    if seconds < 91:
        return words("answer.seconds", n=max(10, math.ceil(seconds / 10) * 10))
    if seconds < 5400:
        return words("answer.minutes", n=math.ceil(seconds / 60))
    return words("answer.hours", n=math.ceil(seconds / 3600))


def budget(seconds: float) -> str:
    """Write a span of time as ``--budget`` takes it, rounded up to minutes: ``6m``."""
    return f"{max(1, math.ceil(seconds / 60))}m"


def _change(log: float, factor: str, words: Words) -> str:
    """Tell a log ratio as :func:`change` does, but from a factor of 2 on by the digits that its interval allows."""
    return words("answer.factor", factor=factor) if abs(log) >= math.log(2) else change(log, words)


def change(log: float, words: Words) -> str:
    """Tell a log ratio as ``15 % more``, ``3 % less`` or ``3.14× as much``."""
    if abs(log) >= math.log(2):
        return words("answer.factor", factor=phrases.factor(log))
    return words("answer.more" if log >= 0 else "answer.less", amount=size(log))


def size(log: float) -> str:
    """Give the size of a log ratio without its direction: ``15 %``; from a factor of 2 on ``3.14×``."""
    if abs(log) >= math.log(2):
        return phrases.factor(log)
    return phrases.magnitude(math.log1p(abs(expm1(log))))
