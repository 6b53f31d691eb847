"""Find out before measuring whether the commands to compare can have duets.

A duet (:mod:`tare.bench.campaign.duet`) compares the CPU time of jobs that share a CPU. That suits a program that computes on one
CPU all the time. It does not suit one that waits for a clock or a device, uses several CPUs, is over within a few turns on the
CPU, or fails beside its like. The probe looks at each command by itself, and never at one command's time over another's.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec.structs import replace

from tare.bench.campaign.duet import together
from tare.bench.own.definition import Definition
from tare.bench.workloads.command import Command
from tare.results.said import say, shown
from tare.runners.errors import PlaceFailure, TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tare.bench.campaign.provision import Provisioned
    from tare.bench.planning.case import Case
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.runners.model import Job, JobResult, Place

RUNS = 3
"""Runs of each command that count; one before them loads its files."""
COMPUTING = (0.9, 1.1)
"""Shares of its time that a command may spend on CPUs: less is waiting, more is several CPUs."""
LEAST_SECONDS = 0.01
"""Shortest command: the kernel gives each job of a duet some 3 ms in turn."""
MOST_SHARE = 0.01
"""Longest command, as a share of the budget: of longer ones, there are too few blocks to divide them between two answers."""

_LEAST_TIME = 1e-9


class _Unfit(Exception):
    """The commands can have no duets; the text says why."""


class _Trying(msgspec.Struct, frozen=True):
    """A command in a place of its own."""

    command: Command
    place: Place
    job: Job

    def run(self) -> JobResult:
        """Run the command once.

        Raises:
            TareError: it failed, or the place is lost.
        """
        result = self.place.run(self.job)
        if not self.succeeded(result):
            raise PlaceFailure(say("duet.failed", "{name} fails", name=shown(self.command.name)))
        return result

    def succeeded(self, result: JobResult | PlaceFailure) -> bool:
        """Tell whether the command ended as it should."""
        if isinstance(result, PlaceFailure) or result.error or result.timed_out or result.signal is not None:
            return False
        return self.command.exit_codes is None or result.exit_code in self.command.exit_codes


def choose_duets(request: Request, provisioned: Provisioned, plan: Plan, progress: Progress) -> Request:
    """Ask for duets if all commands of the plan can have them in all cheap places, and say what was found."""
    cases = [
        case
        for case in plan.cases
        if isinstance(case.workload, Command) and case.runner in plan.cheap and not case.control
    ]
    if not request.try_duets or plan.blocks is not None or len(cases) < 2:
        return request
    try:
        with ExitStack() as stack:
            shares = _shares([_opened(stack, case, provisioned) for case in cases], plan.budget_seconds)
    except _Unfit as why:
        progress.say(say("duet.unfit", "no duets, because {why}", why=why))
        return request
    except (TareError, OSError):
        return request  # The run itself fails in the same way, and records it.
    progress.say(say(
        "duet.fit", "the commands spend {share} of their time or more on a CPU: their CPU time is compared in duets (--no-duet: in turn)",
        share=f"{min(shares):.0%}",
    ))  # fmt: skip
    around = request.around or Definition(command=("true",), family="command")
    return replace(request, around=replace(around, duet="one"))


def _shares(tried: Sequence[_Trying], budget_seconds: float) -> list[float]:
    """Run the commands, one after the other and then at once; return the share of its time that each spends on CPUs.

    Raises:
        _Unfit: they can have no duets.
        TareError: a command fails by itself, or a place is lost.
    """
    for one in tried:
        if (seconds := one.run().inside_seconds) > MOST_SHARE * budget_seconds:
            raise _Unfit(say(
                "duet.long", "{name} takes {seconds} s, more than {share} of the budget",
                name=shown(one.command.name), seconds=f"{seconds:.2g}", share=f"{MOST_SHARE:.0%}",
            ))  # fmt: skip
    runs = [[one.run() for one in tried] for _ in range(RUNS)]
    shares = [_median(map(_computing, own)) for own in zip(*runs, strict=True)]
    lengths = [_median(result.inside_seconds for result in own) for own in zip(*runs, strict=True)]
    for one, share, seconds in zip(tried, shares, lengths, strict=True):
        if not COMPUTING[0] <= share <= COMPUTING[1]:
            raise _Unfit(say(
                "duet.waits", "{name} spends {share} of its time on CPUs", name=shown(one.command.name), share=f"{share:.0%}",
            ))  # fmt: skip
        if seconds < LEAST_SECONDS:
            raise _Unfit(say(
                "duet.short", "{name} is over in {seconds} ms, which is too short to take turns on a CPU",
                name=shown(one.command.name), seconds=f"{1000 * seconds:.2g}",
            ))  # fmt: skip
    answers = together([one.place for one in tried], [one.job for one in tried])
    for one, answer in zip(tried, answers, strict=True):
        if not one.succeeded(answer):
            raise _Unfit(say("duet.not_beside", "{name} fails beside its like", name=shown(one.command.name)))
    return shares


def _median(of_runs: Iterable[float]) -> float:
    return sorted(of_runs)[RUNS // 2]


def _opened(stack: ExitStack, case: Case, provisioned: Provisioned) -> _Trying:
    command, key = cast("Command", case.workload), case.runner
    place = stack.enter_context(provisioned.runner(key).open())
    return _Trying(command, place, command.job(provisioned.site(key, place), 0.0))


def _computing(result: JobResult) -> float:
    """Return the share of its time that a job spent on CPUs; what it waited for one that others had does not count.

    Raises:
        _Unfit: nothing counts its CPU time.
    """
    if result.host_cpu is None:
        raise _Unfit(say("collector.no_duet", "nothing outside the place counts its CPU time"))
    waited = result.first_thread.wait_seconds if result.first_thread else 0.0
    return result.host_cpu.seconds / max(result.inside_seconds - waited, _LEAST_TIME)
