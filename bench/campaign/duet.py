"""Measure duets: the same job in all places of a block at the same time, on one CPU.

The kernel gives each of the jobs a few milliseconds of the CPU in turn. Whatever slows the CPU down for longer than that (a
neighbour on the physical core, a change of its frequency, other load) slows all of them down alike, so their CPU times can be
compared to a fraction of the noise of jobs that run one after the other (Bulej and others 2020, "Duet Benchmarking:
Improving Measurement Accuracy in the Cloud", who give each a CPU of its own). Only CPU time is recorded: the times of jobs that
wait for each other are no times of theirs.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from tare.bench.campaign.pinning import block_cpus, pin
from tare.results.said import say
from tare.runners.errors import PlaceFailure, TareError, as_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tare.bench.campaign.slots import Slot
    from tare.bench.campaign.steady_state import Ready, SteadyState
    from tare.runners.model import Job, JobResult, Place

_ALONE = say("duet.alone", "no other place of its block could share the CPU with it")


class Duets(msgspec.Struct, frozen=True):
    """Measure blocks of duets; the name is the literature's, also where there are more than two jobs."""

    steady_state: SteadyState
    """Makes places ready, and records what became of each job."""

    def block(self, slots: Sequence[Slot]) -> None:
        """Measure the trials of a block, all at the same time.

        See :func:`tare.bench.campaign.pinning.block_cpus` for the CPU.
        """
        steady = self.steady_state
        with ExitStack() as stack:
            # Versions that are compared with one another have a place each, though of the same runner.
            places = {slot.case.workload: stack.enter_context(steady.places()) for slot in slots}
            ready = []
            for slot in slots:
                cpus = block_cpus(slot, steady.provisioned.limits)
                one = steady.make_ready(slot, places[slot.case.workload], first_cpu=min(cpus))
                if one is not None and self._pinned(one, cpus):
                    ready.append(one)
            if len(ready) < 2:
                for one in ready:
                    steady.recorder.store_skipped(one.builder, _ALONE)
                return
            answers = together([one.place for one in ready], [one.job for one in ready])
            for one, answer in zip(ready, answers, strict=True):
                if isinstance(answer, PlaceFailure):
                    steady.lose(one, answer)
                elif steady.finish(one, answer):
                    steady.recorder.store(one.builder)

    def _pinned(self, one: Ready, cpus: frozenset[int]) -> bool:
        try:
            pin(one.place, cpus)
        except (TareError, OSError) as error:
            self.steady_state.lose(one, as_failure(error))
            return False
        return True


def together(places: Sequence[Place], jobs: Sequence[Job]) -> list[JobResult | PlaceFailure]:
    """Run a job in each place, all begun at the same moment; return their results or failures in order.

    If the wait for them is interrupted, all places are closed, which ends the jobs.
    """
    gate = threading.Barrier(len(places))
    answers: dict[int, JobResult | PlaceFailure] = {}
    unforeseen: list[Exception] = []

    def run(number: int) -> None:
        try:
            gate.wait()
            answers[number] = places[number].run(jobs[number])
        except (TareError, OSError) as error:
            answers[number] = as_failure(error)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            unforeseen.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(places))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        gate.abort()
        for place in places:
            place.close()
        raise
    if unforeseen:
        raise unforeseen[0]
    return [answers[number] for number in range(len(places))]
