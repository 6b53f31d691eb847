"""Estimate what the answers that a run leaves open would cost, from what its blocks cost so far."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tare.results.plan import planned
from tare.results.record import DUET_CPU_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tare.results.judgement.answers import Answers
    from tare.results.judgement.comparison import Comparison
    from tare.results.record import Manifest, Trial

MOST_SECONDS = 3600.0
"""Answers that take longer than this are not in the budget that is proposed."""


class Unit(NamedTuple):
    """Name what gets blocks of its own: a workload in a stream, its duets apart."""

    workload: str
    """Empty where all workloads share their blocks."""
    stream: str
    duet: bool


class Price(NamedTuple):
    """Hold the cost of one answer beyond what was measured."""

    unit: Unit
    blocks: int
    seconds: float | None
    """Measuring time; ``None`` in runs that did not record what their blocks cost."""


class Bill(NamedTuple):
    """Sum up the cost of the open answers of a run."""

    rows: int
    """Rows that the budget would probably decide."""
    blocks: int
    """Blocks of all of their workloads and streams together."""
    seconds: float
    """Measuring time in which each of them has had its blocks: an extension gives all units of their workloads the same time."""
    keyword: str
    """Selects their workloads by ``-k``."""
    dear: int
    """Rows left out because they take more than :data:`MOST_SECONDS`, or a time that is not known."""
    unknown: int
    """Rows that no known number of blocks decides."""


class Prices:
    """Look up the prices of the answers of one run."""

    def __init__(self, manifest: Manifest, trials: Iterable[Trial]) -> None:
        plan = None if manifest.mode == "imported" else planned(manifest)
        self._together = bool(plan and plan.together)
        self.extendable = plan is not None and plan.blocks is None
        """Whether the run takes a further budget; one that was asked for a number of blocks does not."""
        spent: dict[Unit, float] = defaultdict(float)
        blocks: dict[Unit, set[int]] = defaultdict(set)
        self._streams: dict[tuple[str, str], str] = {}
        for trial in trials:
            if trial.block < 0:
                continue
            unit = self._unit(trial.workload, trial.stream, duet=trial.duet)
            spent[unit] += trial.spent_seconds
            blocks[unit].add(trial.block)
            self._streams[trial.workload, trial.runner] = trial.stream
        self._block_seconds: Mapping[Unit, float] = {
            unit: seconds / len(blocks[unit]) for unit, seconds in spent.items() if seconds > 0
        }

    def _unit(self, workload: str, stream: str, *, duet: bool) -> Unit:
        return Unit("" if self._together else workload, stream, duet)

    def price(self, comparison: Comparison) -> Price | None:
        """Price an undecided comparison; ``None`` if it is decided, or no known number of blocks decides it."""
        if comparison.needed_blocks is None:
            return None
        stream = self._streams.get((comparison.workload, comparison.runner), "")
        unit = self._unit(comparison.workload, stream, duet=comparison.metric == DUET_CPU_TIME)
        blocks = max(1, comparison.needed_blocks - comparison.blocks)
        cost = self._block_seconds.get(unit)
        return Price(unit, blocks, None if cost is None else blocks * cost)

    def cheapest(self, answers: Answers) -> Price | None:
        """Price the answer, of time or of CPU, that takes less time."""
        found = [price for one in answers.all if (price := self.price(one)) is not None]
        return min(found, key=lambda price: (price.seconds or 0.0, price.blocks), default=None)

    def bill(self, still_open: Sequence[Answers]) -> Bill:
        """Sum up rows that nothing has decided; rows of one workload and stream share their blocks."""
        dearest: dict[Unit, Price] = {}
        named: dict[str, set[Unit]] = {}
        rows = dear = unknown = 0
        for answers in still_open:
            price = self.cheapest(answers)
            if price is None:
                unknown += 1
            elif price.seconds is None or price.seconds > MOST_SECONDS:
                dear += 1
            else:
                rows += 1
                if price.unit not in dearest or dearest[price.unit].blocks < price.blocks:
                    dearest[price.unit] = price
                stream = price.unit.stream
                name = f"{answers.time.workload}@{stream}" if stream else answers.time.workload
                named[name] = {one for one in self._block_seconds if one[:2] == price.unit[:2]}
        longest = max((price.seconds or 0.0 for price in dearest.values()), default=0.0)
        units = {unit for own in named.values() for unit in own}
        return Bill(
            rows,
            sum(price.blocks for price in dearest.values()),
            len(units) * longest,
            " or ".join(sorted(named)),
            dear,
            unknown,
        )
