"""What the collectors see of real processes, cgroups and places on this host."""

import math
import os
import statistics
import subprocess
import sys
import time

import pytest

from support.launched_places import program, runner_for
from tare.runners.collectors import default_collectors, usage_metrics
from tare.runners.collectors.base import TICK_SECONDS
from tare.runners.collectors.host import HostCollector
from tare.runners.collectors.host_cpu import HostCpuMeter, cpu_by_rusage, process_seconds
from tare.runners.collectors.processes import ProcessCollector
from tare.runners.collectors.usage import wait_metrics
from tare.runners.collectors.vmm import VmmCollector
from tare.runners.model import Job, Limits, Vantage

pytestmark = pytest.mark.integration
PYTHON = (os.path.realpath(sys.executable), "-I", "-S", "-c")
ONE_THREAD = "import hashlib\nfor _ in range(100): hashlib.sha256(bytes(100000)).digest()"
THREADS = (
    "import threading\n"
    "def work():\n    for _ in range(100): hashlib.sha256(bytes(100000)).digest()\n"
    "import hashlib\nthreads = [threading.Thread(target=work) for _ in range(3)]\n"
    "for thread in threads: thread.start()\n"
    "for thread in threads: thread.join()"
)
ORPHANS = (
    "import os, time\n"
    "if not os.fork():\n"
    "    if not os.fork(): sum(range(1000000)); os._exit(0)\n"
    "    os._exit(0)\n"
    "os.wait(); time.sleep(0.2)"
)
IGNORED = (
    "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "if not os.fork(): sum(range(1000000)); os._exit(0)\n"
    "time.sleep(0.2)"
)
MIB = 1 << 20
LIMITS = Limits(cpus=1, memory_bytes=64 * MIB, pids=64, scratch_bytes=32 * MIB)

SPIN = (
    "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    "print('spun', flush=True)\n"
)


def values(collector, state):
    return {metric.name: metric.value for metric in collector.end(state)}


def test_a_child_that_came_and_went_is_charged_to_its_reaper():
    vantage = Vantage(os.getpid())
    processes, host = ProcessCollector(), HostCollector()
    states = processes.begin(vantage), host.begin(vantage)
    subprocess.run([sys.executable, "-c", SPIN], check=True, capture_output=True)
    seen, around = values(processes, states[0]), values(host, states[1])
    used = seen["processes.cpu.user"] + seen["processes.cpu.system"]
    assert used >= 0.3 - 2 * TICK_SECONDS
    # The host's ticks are charged by sampling on some kernels: only an order of magnitude is sure.
    assert around["host.cpu.user"] + around["host.cpu.system"] > 0.1
    assert seen["processes.memory.pss"] > MIB


def test_threads_of_a_live_process_are_read_as_a_vmms():
    code = (
        "import threading\n"
        "def work():\n    open('/proc/thread-self/comm', 'w').write('CPU 0/TCG')\n"
        + "".join(f"    {line}\n" for line in SPIN.splitlines())
        + "    input()\n"
        "thread = threading.Thread(target=work)\ninput()\nthread.start()\nthread.join()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        vantage = Vantage(process.pid, vmm=True)
        collector = VmmCollector()
        state = collector.begin(vantage)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "spun\n"
        later = collector.counters(vantage)
        process.stdin.write("\n")
        process.stdin.flush()
    assert not [name for name in state.readings if name == "vmm.cpu.vcpu"]
    assert later["vmm.cpu.vcpu"] >= 0.3
    assert later["vmm.cpu"] >= 0.3 - 2 * TICK_SECONDS


@pytest.mark.parametrize("name", ["bare", "namespaces"])
def test_a_places_job_is_seen_from_outside_and_inside(name):
    with runner_for(name, LIMITS) as runner, runner.open() as place:
        collectors = default_collectors(place.vantage)
        states = [collector.begin(place.vantage) for collector in collectors]
        result = place.run(Job(argv=(program(place), "try")))
        seen = {}
        for collector, state in zip(collectors, states, strict=True):
            seen |= values(collector, state)
            for what, reason in collector.unavailable.items():
                assert reason, what
        inside = {metric.name: metric.value for metric in usage_metrics(result.usage)}
        assert inside["cpu.user"] + inside["cpu.system"] > 0
        assert all(math.isfinite(value) and value >= 0 for value in seen.values())
        assert seen["processes.memory.pss"] > 0
        if any(controller in place.vantage.cgroups for controller in ("cpuacct", "unified")):
            # The agent's own work for the job is in the cgroup, too; ticks make neither a lower bound.
            assert seen["cgroup.cpu"] > 0
        if "memory" in place.vantage.cgroups:
            assert 0 < seen["cgroup.memory.peak"] <= LIMITS.memory_bytes


def metrics_by_source(place, argv):
    """Run a job, and take its CPU time from outside and from what the agent reaped."""
    result = place.run(Job(argv=argv))
    assert result.exit_code == 0, result.stderr
    return result, cpu_by_rusage(result)


@pytest.mark.parametrize("code", [ONE_THREAD, THREADS, ORPHANS], ids=["one thread", "threads", "orphans"])
def test_the_cgroup_and_rusage_agree_within_their_errors(code):
    with runner_for("bare", LIMITS) as runner, runner.open() as place:
        if not place.vantage.cgroups.keys() & {"cpuacct", "unified"}:
            pytest.skip("this user has no cgroup that counts CPU time")
        for _ in range(10):
            result, inside = metrics_by_source(place, (*PYTHON, code))
            outside = result.host_cpu
            assert (outside.source, outside.of_job, outside.agent_seconds > 0) == ("cgroup", True, True)
            allowed = outside.error_seconds + inside.error_seconds
            assert outside.seconds == pytest.approx(inside.seconds, abs=allowed)


def test_both_sources_agree_in_a_container():
    with runner_for("namespaces", LIMITS) as runner, runner.open() as place:
        for _ in range(20):
            result, inside = metrics_by_source(place, (program(place), "try"))
            outside = result.host_cpu
            allowed = outside.error_seconds + inside.error_seconds
            assert outside.seconds == pytest.approx(inside.seconds, abs=allowed)
            waits, why = wait_metrics(result, guest=False)
            assert not why
            found = {metric.name: metric.value for metric in waits}
            assert found["cpu.wait"] + found["time.working"] == pytest.approx(result.inside_seconds)


def test_children_that_nobody_waits_for_are_in_the_cgroup_and_make_the_waiting_unknown():
    with runner_for("bare", LIMITS) as runner, runner.open() as place:
        if not place.vantage.cgroups.keys() & {"cpuacct", "unified"}:
            pytest.skip("this user has no cgroup that counts CPU time")
        result, inside = metrics_by_source(place, (*PYTHON, IGNORED))
        assert result.host_cpu.seconds > inside.seconds + 0.003
        waits, why = wait_metrics(result, guest=False)
        assert not waits
        assert "of the work" in why


def test_without_cgroups_rusage_tells_the_cpu_time(monkeypatch):
    monkeypatch.setattr(HostCpuMeter, "end", lambda _self: None)
    with runner_for("bare", LIMITS) as runner, runner.open() as place:
        result, inside = metrics_by_source(place, (*PYTHON, ONE_THREAD))
        assert result.host_cpu == inside
        assert (inside.source, inside.agent_seconds) == ("rusage", None)


def test_a_process_clock_counts_threads_that_have_ended():
    with subprocess.Popen(
        [*PYTHON, THREADS + "\nprint('done', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        with HostCpuMeter(Vantage(process.pid, vmm=True)) as meter:
            assert process.stdout.readline() == "done\n"
            meter.begin()
            used = process_seconds(process.pid)
            seen = VmmCollector().counters(Vantage(process.pid, vmm=True))["vmm.cpu"]
            assert used == pytest.approx(seen, abs=2 * TICK_SECONDS)
            assert meter.end().seconds == 0
        process.communicate("\n")


@pytest.mark.slow
def test_all_collectors_together_cost_a_job_under_3_ms_of_cpu():
    with runner_for("bare", LIMITS) as runner, runner.open() as place:
        job = Job(argv=(program(place), "try"))
        spent = {True: [], False: []}
        for turn in range(30):
            for watched in (True, False) if turn % 2 else (False, True):
                before = time.process_time()
                collectors = default_collectors(place.vantage) if watched else ()
                states = [collector.begin(place.vantage) for collector in collectors]
                place.run(job)
                for collector, state in zip(collectors, states, strict=True):
                    collector.end(state)
                spent[watched].append(time.process_time() - before)
        # Interleaved, so that whatever else the machine does is on both sides.
        assert statistics.median(spent[True]) - statistics.median(spent[False]) < 3e-3
