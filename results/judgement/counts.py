"""Judge two versions of a command by how many instructions they execute.

A count has no noise of the machine's. What varies, varies in the program: hash seeds, addresses, times. So each version is
counted twice, and the ratio is bounded by the extremes of both. It is a verdict on the program alone: the kernel, a
hypervisor, caches and waiting are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tare.results.record import INSTRUCTIONS_CALLGRIND
from tare.results.said import listed, say

if TYPE_CHECKING:
    from tare.results.storage.counts import InstructionCount

THRESHOLD = 0.001
"""Relative difference that matters."""

_BY = say("counts.by_callgrind", "by callgrind, which sees no kernel, no hypervisor and no cache")
_BY_PMU = say("counts.by_pmu", "by the processor, without the kernel")


@dataclass(frozen=True, slots=True)
class CountsCompared:
    """Two versions compared by their counts."""

    metric: str
    verdict: Literal["better", "worse", "same", "undecided", "refused"]
    """``refused``: a version could not be counted."""
    low: float | None
    """Smallest ratio of head to base that the counts allow; ``None`` if refused."""
    high: float | None
    """Largest such ratio; ``None`` if refused."""
    because: str
    """Sentence that says why."""


def compare_counts(base: InstructionCount, head: InstructionCount) -> CountsCompared:
    """Compare two versions; they have to be counted by the same means."""
    for one in (base, head):
        if not one.counts or not all(one.counts):
            why = one.failure or say("counts.nothing", "it executed nothing")
            because = say(
                "counts.failed", "{version} could not be counted: {why}",
                version=one.version, why=listed(filter(None, (why, one.remedy))),
            )  # fmt: skip
            return CountsCompared(head.metric, "refused", None, None, because)
    if base.metric != head.metric:
        because = say(
            "counts.unlike",
            "one was counted as {base}, the other as {head}",
            base=base.metric,
            head=head.metric,
        )
        return CountsCompared(head.metric, "refused", None, None, because)
    low, high = min(head.counts) / max(base.counts), max(head.counts) / min(base.counts)
    by = _BY if head.metric == INSTRUCTIONS_CALLGRIND else _BY_PMU
    ends = f"{low:.5f}×", f"{high:.5f}×"
    span = ends[0] if low == high else say("span", "{low} to {high}", low=ends[0], high=ends[1])
    told = [
        say(
            "counts.ratio",
            "{span} the instructions in user mode ({base} → {head}; {by})",
            span=span,
            base=max(base.counts),
            head=max(head.counts),
            by=by,
        )
    ]
    for one in (base, head):
        if len(set(one.counts)) > 1:
            spread = max(one.counts) / min(one.counts) - 1
            told.append(
                say(
                    "counts.varies",
                    "{version} is not deterministic: two runs differ by {spread}",
                    version=one.version,
                    spread=f"{spread:.2%}",
                )
            )
    return CountsCompared(head.metric, _verdict(low, high), low, high, listed(told))


def _verdict(low: float, high: float) -> Literal["better", "worse", "same", "undecided"]:
    if low > 1 + THRESHOLD:
        return "worse"
    if high < 1 - THRESHOLD:
        return "better"
    return "same" if low >= 1 - THRESHOLD and high <= 1 + THRESHOLD else "undecided"
