"""CPU time seen from outside: cgroup files of both versions, the agent's share, a VMM's clock."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tare.runners.collectors import host_cpu
from tare.runners.collectors.host_cpu import (
    MICROSECOND,
    RUSAGE_ERROR_SECONDS,
    HostCpuMeter,
    cpu_by_rusage,
    process_seconds,
)
from tare.runners.collectors.usage import host_cpu_metrics, wait_metrics
from tare.runners.model import FirstThread, HostCpu, JobResult, Usage, Vantage

if TYPE_CHECKING:
    from pathlib import Path

AGENT = 7
NO_PID = 1 << 22 | 1
"""Above every pid_max."""


def result(*, cpu=1.0, wall=2.0, orphans=0.0, thread=None, outside=None) -> JobResult:
    usage = Usage(cpu, 0.0, 0, 0, 0, 0, 0, 0, 0)
    return JobResult(
        0, None, False, 0, round(wall * 1e9), wall, usage, b"", b"", 0, 0,
        orphan_seconds=orphans, first_thread=thread, host_cpu=outside,
    )  # fmt: skip


def v1(folder: Path, nanoseconds: int) -> dict[str, Path]:
    (folder / "cpuacct.usage").write_text(f"{nanoseconds}\n")
    return {"cpuacct": folder}


def v2(folder: Path, microseconds: int) -> dict[str, Path]:
    (folder / "cpu.stat").write_text(f"usage_usec {microseconds}\nuser_usec 1\nsystem_usec 2\n")
    return {"unified": folder}


@pytest.mark.parametrize(("write", "unit", "error"), [(v1, 1e9, 0.0), (v2, 1e6, MICROSECOND)])
def test_the_agents_own_share_is_subtracted_and_recorded(tmp_path, write, unit, error):
    clocks = iter([5.0, 5.0, 5.25, 5.25])
    vantage = Vantage(AGENT, write(tmp_path, round(10 * unit)), AGENT)
    with HostCpuMeter(vantage, lambda _pid: next(clocks)) as meter:
        meter.begin()
        write(tmp_path, round(13 * unit))
        found = meter.end()
    assert found == HostCpu(2.75, error, "cgroup", of_job=True, agent_seconds=0.25)
    metrics = {metric.name: metric for metric in host_cpu_metrics(found)}
    assert {name: metric.value for name, metric in metrics.items()} == {"cpu.host": 2.75, "cpu.agent": 0.25}
    assert (metrics["cpu.host"].source, metrics["cpu.host"].error) == ("cgroup", error)
    assert metrics["cpu.agent"].direction == "none"


def test_v1_is_asked_first_since_v2_always_has_its_file(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    vantage = Vantage(0, v1(old, 0) | v2(new, 0))
    with HostCpuMeter(vantage) as meter:
        meter.begin()
        v1(old, 1_000_000_000)
        assert meter.end() == HostCpu(1.0, 0.0, "cgroup", of_job=False)


def test_the_cgroup_is_read_again_until_the_agents_clock_stands_still(tmp_path):
    clocks = iter([1.0, 1.0, 1.1, 1.2, 1.2])
    vantage = Vantage(AGENT, v1(tmp_path, 0), AGENT)
    with HostCpuMeter(vantage, lambda _pid: next(clocks)) as meter:
        meter.begin()
        found = meter.end()
    assert found is None  # the agent used 0.2 s, the cgroup 0 s: a contradiction is no number
    clocks = iter([1.0, 1.0, 1.1, 1.2, 1.2])
    with HostCpuMeter(vantage, lambda _pid: next(clocks)) as meter:
        meter.begin()
        v1(tmp_path, 500_000_000)
        found = meter.end()
    assert found.agent_seconds == pytest.approx(0.2)
    assert found.error_seconds == 0


def test_an_agent_that_never_rests_widens_the_error(tmp_path):
    clock = iter(range(10**6))
    vantage = Vantage(AGENT, v1(tmp_path, 0), AGENT)
    with HostCpuMeter(vantage, lambda _pid: next(clock) * 1e-6) as meter:
        meter.begin()
        v1(tmp_path, 10**9)
        assert meter.end().error_seconds == pytest.approx(2e-6)


def test_nothing_outside_tells_it(tmp_path):
    for vantage in (
        Vantage(AGENT, {}, AGENT),
        Vantage(AGENT, {"unified": tmp_path / "gone"}, AGENT),
        Vantage(AGENT, v1(tmp_path, 5), NO_PID),  # the agent has died
        Vantage(NO_PID, vmm=True),
    ):
        with HostCpuMeter(vantage) as meter:
            meter.begin()
            assert meter.end() is None


def test_a_damaged_counter_gives_no_number(tmp_path):
    (tmp_path / "cpu.stat").write_text("nr_periods 0\nusage_usec 5\n")
    with HostCpuMeter(Vantage(0, {"unified": tmp_path})) as meter:
        meter.begin()
        assert meter.end() is None


def test_a_vmm_is_read_by_its_clock_while_it_sleeps(monkeypatch):
    waits = iter([0, 1])
    monkeypatch.setattr(host_cpu, "_wait_for_sleep", lambda _pid: next(waits))
    clocks = iter([1.0, 4.0])
    with HostCpuMeter(Vantage(AGENT, vmm=True), lambda _pid: next(clocks)) as meter:
        meter.begin()
        found = meter.end()
    # One thread was on a CPU at the end: its count is up to a tick behind.
    tick = time.clock_getres(host_cpu.CLOCK_MONOTONIC_COARSE)
    assert found == HostCpu(3.0, tick, "process", of_job=False)
    assert [metric.name for metric in host_cpu_metrics(found)] == ["cpu.host"]


def test_our_own_clock_is_read_like_any_process():
    before = time.process_time()
    assert process_seconds(os.getpid()) == pytest.approx(before, abs=0.01)


def test_rusage_counts_orphans_and_says_what_it_is():
    assert cpu_by_rusage(result(cpu=1.5, orphans=0.25)) == HostCpu(
        1.75, RUSAGE_ERROR_SECONDS, "rusage", of_job=True
    )


@pytest.mark.parametrize(
    ("thread", "outside", "guest", "names"),
    [
        (FirstThread(1.0, 0.5), HostCpu(1.0, 0, "cgroup", of_job=True), False, {"cpu.wait": 0.5, "time.working": 1.5}),
        (FirstThread(1.0, 0.5), HostCpu(9.0, 0, "cgroup", of_job=False), True, {"cpu.wait": 0.5}),
        (FirstThread(1.0, 0.5), None, False, {"cpu.wait": 0.5}),
        (FirstThread(0.5, 0.1), HostCpu(1.0, 0, "cgroup", of_job=True), False, {}),
        # Only the cgroup knows of children that nobody waited for.
        (FirstThread(1.0, 0.5), HostCpu(1.5, 0, "cgroup", of_job=True), False, {}),
        (None, HostCpu(1.0, 0, "cgroup", of_job=True), False, {}),
    ],
)  # fmt: skip
def test_waiting_is_told_only_where_one_thread_did_the_work(thread, outside, guest, names):
    metrics, why = wait_metrics(result(thread=thread, outside=outside), guest=guest)
    assert {metric.name: metric.value for metric in metrics} == names
    assert bool(why) == (not names)
    assert {metric.clock for metric in metrics} <= {"guest-monotonic" if guest else "host-monotonic"}
