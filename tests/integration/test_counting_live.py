"""Count events of jobs in real places. The kernel's software events stand for those of a PMU: the code is the same."""

import os
import statistics
import sys

import pytest

from support.changing import replace
from support.launched_places import program, runner_for
from tare.runners.model import CountedEvent, Job, Limits

pytestmark = pytest.mark.integration
LIMITS = Limits(cpus=1, memory_bytes=256 << 20, pids=64, scratch_bytes=32 << 20)
PYTHON = os.path.realpath(sys.executable)


@pytest.fixture(scope="module")
def place():
    with runner_for("bare", LIMITS) as runner, runner.open() as place:
        yield place


def python(code, **options):
    return Job((PYTHON, "-I", "-S", "-c", code), **options)


def shell(code, **options):
    return Job(("/bin/sh", "-c", code), **options)


TASK_CLOCK, PAGE_FAULTS = CountedEvent(1, 1), CountedEvent(1, 2)
CONTEXT_SWITCHES = CountedEvent(1, 3, in_kernel=True)
"""Software events: the kernel counts them on every machine, in the same way as it counts a PMU's."""


def counted(place, job, event):
    result = place.run(replace(job, count=event))
    assert result.exit_code == 0, result.stderr
    if result.not_counted:
        pytest.skip(f"no software events for this user: {result.not_counted}")
    return result.counted


def test_an_event_is_counted_through_fork_and_exec_and_in_orphans(place):
    spin = "sum(range(3_000_000))"
    alone = python(spin)
    below = python(
        f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {spin!r}], check=True)"
    )
    left = shell(f"( {PYTHON} -I -S -c '{spin}' & ) ; sleep 0.6")
    for job in (alone, below, left):
        result = place.run(replace(job, count=TASK_CLOCK))
        if result.not_counted:
            pytest.skip(f"no software events for this user: {result.not_counted}")
        cpu = result.usage.user_seconds + result.usage.system_seconds + result.orphan_seconds
        # The clock starts at the exec and stops within the exit; usage includes both ends of each process. The event
        # counts interrupts and stolen time within a turn on the CPU, which usage does not.
        assert cpu - 0.02 <= result.counted / 1e9 <= 1.2 * cpu


def test_the_agent_itself_is_not_counted(place):
    quiet = counted(place, shell(":"), PAGE_FAULTS)
    # 1 MiB of output is read, packed and sent by the agent while the job runs.
    loud = counted(place, shell("head -c 1000000 /dev/zero >&2; :", output_limit_bytes=1 << 20), PAGE_FAULTS)
    job = shell("head -c 1000000 /dev/zero > /dev/null; :")
    assert loud == pytest.approx(counted(place, job, PAGE_FAULTS), abs=20)
    assert quiet < loud


def test_switches_are_counted_where_the_kernel_may_be(place):
    result = place.run(replace(shell("sleep 0.01; sleep 0.01"), count=CONTEXT_SWITCHES))
    if result.not_counted:
        assert "EACCES" in result.not_counted
        assert os.geteuid()
        return
    assert 2 <= result.counted <= 2 + result.usage.voluntary_switches + result.usage.involuntary_switches


def test_an_event_that_cannot_be_counted_has_a_reason_and_harms_nothing(place):
    result = place.run(replace(shell("exit 3"), count=CountedEvent(99, 99)))
    assert (result.exit_code, result.counted) == (3, None)
    assert "ENOENT" in result.not_counted
    again = place.run(shell("exit 4"))
    assert again.exit_code == 4
    assert "99" not in again.not_counted


def test_a_job_that_is_killed_was_counted(place):
    result = place.run(replace(shell("while :; do :; done", timeout_seconds=0.3), count=TASK_CLOCK))
    assert result.timed_out
    assert result.not_counted or result.counted > 1_000_000


def test_counting_costs_a_job_microseconds(place):
    """Interleaved, so that the load of the machine is on both sides."""
    spent = {True: [], False: []}
    for _ in range(40):
        for counting in (True, False):
            result = place.run(replace(Job(("/bin/true",)), count=TASK_CLOCK if counting else None))
            spent[counting].append(result.usage.user_seconds + result.usage.system_seconds)
    assert statistics.median(spent[True]) - statistics.median(spent[False]) < 300e-6


def test_a_containers_filter_does_not_matter():
    with runner_for("namespaces", LIMITS) as runner, runner.open() as place:
        result = place.run(Job(argv=(program(place), "try"), count=TASK_CLOCK))
        if os.geteuid() and result.not_counted:
            assert "EACCES" in result.not_counted
            return
        assert not result.not_counted
        assert 0 < result.counted / 1e9 <= 2 * result.host_cpu.seconds


def test_a_job_that_asks_for_nothing_says_why_it_has_no_instructions(place):
    result = place.run(shell(":"))
    assert (result.counted is None) == bool(result.not_counted)
    assert place.run(Job()).not_counted == ""
