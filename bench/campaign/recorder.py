"""Number the trials of a run, store them and show progress."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.costs import Costs
from tare.bench.campaign.trial_builder import TrialBuilder
from tare.results.record import CONTROL_SUFFIX, Trial
from tare.results.said import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tare.bench.campaign.slots import Slot
    from tare.bench.planning.case import Skip
    from tare.bench.progress import Progress
    from tare.runners.context import Runner
    from tare.runners.errors import PlaceFailure


class Recorder(msgspec.Struct):
    """Give trials and openings their numbers, and hand every trial that ended to the store before the next begins."""

    run_id: str
    append: Callable[[Trial], object]
    """Stores a trial; it is safe from a killed process once this returns."""
    progress: Progress
    account: Callable[[Trial], object] = lambda _trial: None
    """Told of every trial that is stored."""
    number: int = 0
    """Number of the next trial."""
    invocation: int = 0
    """Number of the next opening."""
    costs: Costs = msgspec.field(default_factory=Costs)
    now: Callable[[], float] = time.monotonic
    _measured: int = 0
    """Trials that this process has measured: neither the plan's skips nor what a resumed run had."""
    _stored: float = -1.0
    """Moment when the last trial was stored, or measuring began; negative before that."""

    def begin_measuring(self) -> None:
        """Start the clock that each trial's time is taken from."""
        self._stored = self.now()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keep what happens after the last trial in the context, such as the closing of guests, out of the next one's time."""
        yield
        self._stored = self.now()

    def begin(self, slot: Slot, runner: Runner) -> TrialBuilder:
        """Begin the record of a trial; its invocation is the next opening's until it is set to another."""
        return TrialBuilder(
            case=slot.case,
            runner=runner.label + CONTROL_SUFFIX if slot.case.control else runner.label,
            accelerator=runner.accelerator,
            block=slot.block,
            stream=slot.stream,
            position=slot.position,
            warmup=slot.warmup,
            duet=slot.duet,
            invocation=self.invocation,
        )

    def next_invocation(self) -> int:
        """Return the number of an opening that is about to be made."""
        number, self.invocation = self.invocation, self.invocation + 1
        return number

    def store(self, builder: TrialBuilder) -> None:
        """Number the trial, store it as it is now, and show progress."""
        now = self.now()
        spent, self._stored = now - (now if self._stored < 0 else self._stored), now
        trial = builder.trial(self.run_id, self.number, round(spent, 6))
        self.append(trial)
        self.account(trial)
        self.number += 1
        self._measured += 1
        what = say("progress.trial", "{name} on {runner}", name=trial.workload, runner=trial.runner)
        self.progress.trial(self._measured, what)

    def store_skipped(self, builder: TrialBuilder, reason: str, remedy: str = "") -> None:
        """Store that the trial was not measured after all."""
        builder.skip(reason, remedy)
        self.store(builder)

    def store_failed(self, builder: TrialBuilder, failure: PlaceFailure) -> None:
        """Store that the trial's place could not be made or was lost, and tell the user."""
        builder.fail(failure)
        self.tell(builder)
        self.store(builder)

    def tell(self, builder: TrialBuilder) -> None:
        """Tell the user what went wrong with a trial."""
        self.progress.say(
            say(
                "progress.trial_failed",
                "{name} on {runner}: {outcome}: {reason}",
                name=builder.case.workload.name,
                runner=builder.runner,
                outcome=builder.outcome,
                reason=builder.reason,
            )
        )

    def store_skips(self, skips: Iterable[Skip]) -> None:
        """Store what the plan leaves out, with reason and remedy. They are no progress."""
        for skip in skips:
            self.append(
                Trial(
                    run=self.run_id,
                    number=self.number,
                    workload=skip.workload,
                    family=skip.family,
                    runner=skip.runner,
                    accelerator=skip.accelerator,
                    block=-1,
                    outcome="skipped",
                    reason=skip.reason,
                    remedy=skip.remedy,
                )
            )
            self.number += 1
