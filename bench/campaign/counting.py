"""Count the instructions of a command's versions (``--count``), by the PMU or else by callgrind.

Counting comes after the campaign, on bare metal, in jobs of its own, so that it slows nothing that is timed: a program
takes 20 to 100 times as long under callgrind.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tare.bench.workloads.command import Command, run_aside
from tare.results.record import BASE, INSTRUCTIONS_CALLGRIND, INSTRUCTIONS_USER
from tare.results.said import listed, say
from tare.results.storage.counts import InstructionCount, write_counts
from tare.runners.errors import TareError, as_failure
from tare.runners.host.endings import exit_or_signal
from tare.runners.host.pmu import why_no_instructions
from tare.runners.model import INSTRUCTIONS

if TYPE_CHECKING:
    from tare.bench.campaign.provision import Provisioned
    from tare.bench.campaign.run import Measured
    from tare.bench.planning.plan import Plan
    from tare.bench.progress import Progress
    from tare.bench.request.request import Request
    from tare.runners.model import Job, JobResult, Place
    from tare.runners.provision.tools import Provision, Tool

RUNS = 2
"""Runs of each version: two that differ show that the program is not deterministic."""
TIMEOUT_SECONDS = 1800.0
_TOTALS = re.compile(rb"^totals: (\d+)", re.MULTILINE)


class NotCountedError(Exception):
    """There is no count; the text says why."""


def count(
    request: Request, provisioned: Provisioned, plan: Plan, measured: Measured, progress: Progress
) -> None:
    """Count each command of the plan, if that was asked for, and store the counts beside the run's trials."""
    if not request.settings.commands.count or measured.interrupted:
        return
    commands = {c.workload.name: c.workload for c in plan.cases if isinstance(c.workload, Command)}
    valgrind, missing = None, ("", "")
    by_pmu = not why_no_instructions()
    if not by_pmu:
        progress.say(
            say(
                "progress.callgrind",
                "counting instructions under callgrind: {why}",
                why=why_no_instructions(),
            )
        )
        try:
            valgrind = _valgrind(provisioned.bench.supplies.provision)
        except TareError as error:
            refusal = as_failure(error)
            missing = (refusal.reason, refusal.remedy)
    found: list[InstructionCount] = []
    for command in commands.values():
        one = InstructionCount(
            version=command.name,
            command=str(command.parameters["command"]),
            metric=INSTRUCTIONS_USER if by_pmu else INSTRUCTIONS_CALLGRIND,
            failure=missing[0],
            remedy=missing[1],
        )
        found.append(one if one.failure else _counted(one, command, provisioned, valgrind))
        counts = " and ".join(map(str, found[-1].counts))
        if len(found[-1].counts) == RUNS:
            first, second = found[-1].counts
            counts = say("count.both", "{first} and {second}", first=first, second=second)
        said = counts or say("count.not_counted", "not counted: {why}", why=found[-1].failure)
        progress.say(
            say(
                "progress.instructions",
                "instructions of {name} in user mode: {said}",
                name=command.name,
                said=said,
            )
        )
    write_counts(measured.run_dir, found)


def _valgrind(provision: Provision) -> Tool:
    """Find valgrind: the one that the user gave, the system's, or a fetched one.

    Raises:
        TareError: there is none that works.
    """
    if "valgrind" in provision.chosen:
        return provision.tool("valgrind")
    return provision.installed("valgrind") or provision.tool("valgrind.bin")


def _counted(
    one: InstructionCount, command: Command, provisioned: Provisioned, valgrind: Tool | None
) -> InstructionCount:
    """Run the command, and add its counts or the reason why there are none."""
    try:
        with provisioned.runner(BASE).open() as place:
            site = provisioned.site(BASE, place)
            run_aside(place, command.before(site), say("count.not_prepared", "it could not be prepared"))
            job = replace(command.job(site, 0.0), timeout_seconds=TIMEOUT_SECONDS)
            counts = tuple(
                _under_callgrind(place, job, valgrind, number) if valgrind else _by_pmu(place, job)
                for number in range(RUNS)
            )
    except NotCountedError as error:
        return _without(one, str(error), say("remedy.succeeds_alone", "see that it succeeds by itself"))
    except (TareError, OSError) as error:
        failure = as_failure(error)
        return _without(one, failure.reason, failure.remedy)
    return InstructionCount(version=one.version, command=one.command, metric=one.metric, counts=counts)


def _without(one: InstructionCount, failure: str, remedy: str) -> InstructionCount:
    return InstructionCount(
        version=one.version, command=one.command, metric=one.metric, failure=failure, remedy=remedy
    )


def _by_pmu(place: Place, job: Job) -> int:
    result = _ended_well(place.run(replace(job, count=INSTRUCTIONS)))
    if result.counted is None:
        raise NotCountedError(result.not_counted)
    return result.counted


def _under_callgrind(place: Place, job: Job, valgrind: Tool, number: int) -> int:
    """Run a job under callgrind; return the instructions of all its processes.

    A process that is replaced by execve counts from its last execve on, and one that is killed by SIGKILL not at all:
    callgrind writes its count at the end.
    """
    folder = Path(place.scratch, f"counts-{number}")
    folder.mkdir()
    line = valgrind.argv(
        "--tool=callgrind", "--quiet", "--trace-children=yes", f"--callgrind-out-file={folder}/%p"
    )
    environ = {**job.environ, **valgrind.environ}
    _ended_well(place.run(replace(job, argv=(*line, *job.argv), environ=environ)))
    counts = [int(found[1]) for file in folder.iterdir() if (found := _TOTALS.search(file.read_bytes()))]
    if not counts:
        raise NotCountedError(say("count.nothing", "callgrind left no count"))
    return sum(counts)


def _ended_well(result: JobResult) -> JobResult:
    """Return the result of a job that succeeded.

    Raises:
        NotCountedError: it did not, so what was counted is not its work.
    """
    if result.error:
        raise NotCountedError(result.error)
    if result.timed_out:
        raise NotCountedError(
            say(
                "count.slow",
                "it was still running after {timeout_seconds} s",
                timeout_seconds=f"{TIMEOUT_SECONDS:.0f}",
            )
        )
    if result.signal is not None or result.exit_code:
        ended = exit_or_signal(result.exit_code, result.signal)
        lines = result.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        told = say("count.ended_with", "it ended with {ended}", ended=ended)
        raise NotCountedError(listed((told, *(line[:200] for line in lines[-1:])), ": "))
    return result
