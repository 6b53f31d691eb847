import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.trees import write_files
from tare.results.record import MARKS
from tare.runners.collectors import default_collectors, usage_metrics
from tare.runners.collectors.base import TICK_SECONDS
from tare.runners.collectors.cgroup import CgroupCollector
from tare.runners.collectors.exits import ExitCollector
from tare.runners.collectors.guest_disk import GuestDiskCollector
from tare.runners.collectors.guest_memory import GuestMemoryCollector
from tare.runners.collectors.host import HostCollector
from tare.runners.collectors.processes import ProcessCollector, stat_fields
from tare.runners.collectors.vmm import VmmCollector
from tare.runners.errors import TareError
from tare.runners.model import Usage, Vantage


def collect(collector, vantage, change=lambda: None):
    """Name → value of what the collector gives for a change between its two readings, its own cost apart."""
    state = collector.begin(vantage)
    change()
    return {
        metric.name: metric.value
        for metric in collector.end(state)
        if not metric.name.startswith("collector.")
    }


# -- host -------------------------------------------------------------------------------------------


def stat_line(user=100, guest=10, steal=3, system=50):
    return f"cpu  {user} 5 {system} 1000 20 1 2 {steal} {guest} 0\ncpu0 1 2 3\nctxt 777\n"


def disk_line(name, read, written, busy):
    return f" 254 0 {name} 1 0 {read} 9 1 0 {written} 9 0 {busy} 9 0 0 0 0\n"


def test_host_takes_guest_time_out_of_user(tmp_path):
    write_files(tmp_path, {"proc/stat": stat_line(), "proc/diskstats": ""})
    found = collect(
        HostCollector(tmp_path),
        Vantage(1),
        lambda: write_files(tmp_path, {"proc/stat": stat_line(user=150, guest=40, steal=5)}),
    )
    assert found["host.cpu.user"] == pytest.approx(20 * TICK_SECONDS)
    assert found["host.cpu.guest"] == pytest.approx(30 * TICK_SECONDS)
    assert found["host.cpu.steal"] == pytest.approx(2 * TICK_SECONDS)
    assert found["host.switches"] == 0


def test_host_sums_real_disks_only(tmp_path):
    def lines(read):
        return disk_line("vda", read, 8, 5) + disk_line("vda1", read, 8, 5) + disk_line("loop0", read, 8, 5)

    write_files(
        tmp_path, {"proc/stat": stat_line(), "proc/diskstats": lines(100), "sys/block/vda/device/model": ""}
    )
    found = collect(
        HostCollector(tmp_path), Vantage(1), lambda: write_files(tmp_path, {"proc/diskstats": lines(104)})
    )
    assert found["host.disk.read"] == 4 * 512
    assert found["host.disk.write"] == 0
    assert found["host.disk.busy"] == 0


def test_a_counter_that_runs_backwards_is_noted_and_gives_no_number(tmp_path):
    write_files(tmp_path, {"proc/stat": stat_line(steal=9), "proc/diskstats": ""})
    collector = HostCollector(tmp_path)
    found = collect(collector, Vantage(1), lambda: write_files(tmp_path, {"proc/stat": stat_line(steal=2)}))
    assert "host.cpu.steal" not in found
    assert "backwards" in collector.unavailable["host.cpu.steal"]
    assert "host.cpu.user" in found


def test_missing_sources_give_reasons_and_no_numbers(tmp_path):
    for collector, vantage in (
        (HostCollector(tmp_path), Vantage(1)),
        (ProcessCollector(tmp_path), Vantage(1)),
        (VmmCollector(tmp_path), Vantage(1, vmm=True)),
        (CgroupCollector(tmp_path), Vantage(1)),
        (CgroupCollector(tmp_path), Vantage(1, {"unified": tmp_path / "gone"})),
        (
            CgroupCollector(tmp_path),
            Vantage(1, dict.fromkeys(("cpuacct", "cpu", "memory", "blkio"), tmp_path)),
        ),
    ):
        assert collect(collector, vantage) == {}
        assert collector.unavailable
        assert all(collector.unavailable.values())


def test_old_kernels_without_guest_fields_give_no_guest_number(tmp_path):
    write_files(tmp_path, {"proc/stat": "cpu  1 2 3 4 5 6 7 8\n", "proc/diskstats": ""})
    found = collect(HostCollector(tmp_path), Vantage(1))
    assert "host.cpu.guest" not in found
    assert "host.cpu.steal" in found


@given(st.text(max_size=80), st.text(max_size=80))
def test_malformed_host_files_are_survived(tmp_path_factory, stat, disks):
    root = tmp_path_factory.mktemp("root")
    write_files(root, {"sys/block/vda/device/model": ""})
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text("cpu " + stat, encoding="utf-8", errors="replace")
    (root / "proc/diskstats").write_text("1 2 vda " + disks, encoding="utf-8", errors="replace")
    for value in collect(HostCollector(root), Vantage(1)).values():
        assert value == 0


# -- cgroups ----------------------------------------------------------------------------------------


def v1_files(scale=1):
    return {
        "cpuacct/cpuacct.usage": f"{scale * 2_000_000_000}\n",
        "cpuacct/cpuacct.stat": f"user {scale * 150}\nsystem {scale * 50}\n",
        "cpu/cpu.stat": f"nr_periods 9\nnr_throttled {scale * 3}\nthrottled_time {scale * 500_000_000}\n",
        "memory/memory.max_usage_in_bytes": "4096\n",
        "memory/memory.usage_in_bytes": "1024\n",
        "blkio/blkio.throttle.io_service_bytes": f"8:0 Read {scale * 100}\n8:0 Write 7\n8:16 Read {scale * 10}\n",
        "blkio/blkio.throttle.io_serviced": f"8:0 Read {scale}\n8:0 Write 1\nTotal 0\n",
    }


def test_cgroup_v1(tmp_path):
    write_files(tmp_path, v1_files())
    groups = {name: tmp_path / name for name in ("cpuacct", "cpu", "memory", "blkio")}
    # A hybrid host shows a v2 group as well; the controllers are in v1.
    vantage = Vantage(1, {**groups, "unified": tmp_path / "unified"})
    found = collect(CgroupCollector(), vantage, lambda: write_files(tmp_path, v1_files(2)))
    assert found == pytest.approx(
        {
            "cgroup.cpu": 2.0,
            "cgroup.cpu.user": 150 * TICK_SECONDS,
            "cgroup.cpu.system": 50 * TICK_SECONDS,
            "cgroup.cpu.throttled": 0.5,
            "cgroup.cpu.throttles": 3,
            "cgroup.io.read": 110,
            "cgroup.io.write": 0,
            "cgroup.io.reads": 1,
            "cgroup.io.writes": 0,
            "cgroup.memory.peak": 4096,
            "cgroup.memory.current": 1024,
        }
    )


def v2_files(scale=1):
    return {
        "cpu.stat": f"usage_usec {scale * 3000000}\nuser_usec {scale * 2000000}\nsystem_usec {scale * 1000000}\n"
        f"nr_periods 1\nnr_throttled {scale}\nthrottled_usec {scale * 250000}\n",
        "memory.peak": "8192\n",
        "memory.current": "4096\n",
        "io.stat": f"8:0 rbytes={scale * 10} wbytes={scale * 20} rios=1 wios={scale} dbytes=0 dios=0\n"
        f"8:16 rbytes={scale * 5} wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
    }


def test_cgroup_v2(tmp_path):
    write_files(tmp_path, v2_files())
    found = collect(
        CgroupCollector(), Vantage(1, {"unified": tmp_path}), lambda: write_files(tmp_path, v2_files(3))
    )
    assert found == pytest.approx(
        {
            "cgroup.cpu": 6.0,
            "cgroup.cpu.user": 4.0,
            "cgroup.cpu.system": 2.0,
            "cgroup.cpu.throttled": 0.5,
            "cgroup.cpu.throttles": 2,
            "cgroup.io.read": 30,
            "cgroup.io.write": 40,
            "cgroup.io.reads": 0,
            "cgroup.io.writes": 2,
            "cgroup.memory.peak": 8192,
            "cgroup.memory.current": 4096,
        }
    )


def test_a_v2_group_without_controllers_still_tells_cpu(tmp_path):
    write_files(tmp_path, {"cpu.stat": "usage_usec 5\nuser_usec 3\nsystem_usec 2\n"})
    collector = CgroupCollector()
    found = collect(collector, Vantage(1, {"unified": tmp_path}))
    assert set(found) == {"cgroup.cpu", "cgroup.cpu.user", "cgroup.cpu.system"}
    assert set(collector.unavailable) == {
        "cgroup.cpu.throttled",
        "cgroup.io",
        "cgroup.memory.peak",
        "cgroup.memory.current",
    }


def test_kernels_before_memory_peak_give_a_reason(tmp_path):
    write_files(tmp_path, v2_files())
    (tmp_path / "memory.peak").unlink()
    collector = CgroupCollector()
    found = collect(collector, Vantage(1, {"unified": tmp_path}))
    assert "cgroup.memory.peak" not in found
    assert "memory.peak" in collector.unavailable["cgroup.memory.peak"]


@pytest.mark.parametrize("text", ["max\n", "", "-1\n", "abc"])
def test_a_gauge_that_is_no_number_is_no_metric(tmp_path, text):
    write_files(tmp_path, {**v2_files(), "memory.peak": text})
    assert "cgroup.memory.peak" not in collect(CgroupCollector(), Vantage(1, {"unified": tmp_path}))


# -- processes and VMM ------------------------------------------------------------------------------


def process(pid, ticks, children="", name="x y) (", read=0, pss=8):
    user, system, dead_user, dead_system = ticks
    return {
        f"proc/{pid}/stat": f"{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {user} {system} {dead_user} {dead_system} 20 0\n",
        f"proc/{pid}/io": f"rchar: 1\nread_bytes: {read}\nwrite_bytes: 0\n",
        f"proc/{pid}/smaps_rollup": f"0-1 ---p 0 0:0 0 [rollup]\nRss:   99 kB\nPss:   {pss} kB\nPss_Anon: 3 kB\n",
        f"proc/{pid}/task/{pid}/children": children,
    }


def test_processes_sum_the_tree_and_what_it_reaped(tmp_path):
    write_files(tmp_path, process(10, (1, 1, 0, 0), "11 ") | process(11, (5, 5, 0, 0), read=100))

    def the_child_ends():
        write_files(tmp_path, process(10, (2, 1, 9, 7), "", read=300))

    found = collect(ProcessCollector(tmp_path), Vantage(10), the_child_ends)
    assert found == pytest.approx(
        {
            "processes.cpu.user": 5 * TICK_SECONDS,
            "processes.cpu.system": 2 * TICK_SECONDS,
            "processes.io.read": 200,
            "processes.io.write": 0,
            "processes.memory.pss": 8192,
        }
    )


def test_pss_of_a_part_of_the_tree_is_no_number(tmp_path):
    write_files(tmp_path, process(10, (1, 1, 0, 0), "11 ") | process(11, (5, 5, 0, 0)))
    (tmp_path / "proc/11/smaps_rollup").unlink()
    collector = ProcessCollector(tmp_path)
    assert "processes.memory.pss" not in collect(collector, Vantage(10))
    assert "smaps_rollup" in collector.unavailable["processes.memory.pss"]


def test_names_with_brackets_and_blanks_do_not_shift_the_fields():
    assert stat_fields("7 (a) b (c) R 1 2")[0] == "R"
    assert stat_fields("") == []


def thread(pid, tid, name, nanoseconds):
    folder = f"proc/{pid}/task/{tid}"
    return {f"{folder}/comm": f"{name}\n", f"{folder}/schedstat": f"{nanoseconds} 5 6\n"}


def vmm(vcpu, worker, ticks=(100, 20, 0, 0)):
    return (
        process(20, ticks, name="qemu-system-x86")
        | thread(20, 20, "qemu-system-x86", 1_000_000_000)
        | thread(20, 21, "CPU 0/KVM", vcpu)
        | thread(20, 22, "CPU 1/TCG", vcpu)
        | thread(20, 23, "IO mon_iothread", worker)
        | thread(20, 24, "worker", worker)
        | thread(20, 25, "call_rcu", 0)
    )


def test_vmm_threads_are_told_apart(tmp_path):
    write_files(tmp_path, vmm(1_000_000_000, 0))
    found = collect(
        VmmCollector(tmp_path),
        Vantage(20, vmm=True),
        lambda: write_files(tmp_path, vmm(1_500_000_000, 100_000_000, (190, 30, 0, 0))),
    )
    assert found == pytest.approx(
        {
            "vmm.cpu.vcpu": 1.0,
            "vmm.cpu.io": 0.2,
            "vmm.cpu.other": 0.0,
            "vmm.delay.vcpu": 0.0,
            "vmm.cpu": 100 * TICK_SECONDS,
        }
    )


def test_a_vmm_without_thread_names_gives_its_total_and_the_remedy(tmp_path):
    write_files(tmp_path, process(20, (1, 1, 0, 0)) | thread(20, 20, "qemu", 5) | thread(20, 21, "qemu", 5))
    collector = VmmCollector(tmp_path)
    assert set(collect(collector, Vantage(20, vmm=True))) == {"vmm.cpu"}
    assert "debug-threads=on" in collector.unavailable["vmm.cpu.vcpu"]


def test_the_wait_of_vcpus_for_a_cpu_is_told(tmp_path):
    def waited(ns):
        return {"proc/20/task/21/comm": "CPU 0/KVM\n", "proc/20/task/21/schedstat": f"7 {ns} 6\n"}

    write_files(tmp_path, process(20, (1, 1, 0, 0)) | waited(5))
    found = collect(
        VmmCollector(tmp_path), Vantage(20, vmm=True), lambda: write_files(tmp_path, waited(5 + 300_000_000))
    )
    assert found["vmm.delay.vcpu"] == pytest.approx(0.3)


def test_vhost_threads_of_older_kernels_are_found_by_their_name(tmp_path):
    def vhost(ns):
        return {
            "proc/31/comm": "vhost-20\n",
            "proc/31/schedstat": f"{ns} 0 1\n",
            "proc/32/comm": "vhost-21\n",
            "proc/32/schedstat": f"{ns} 0 1\n",
        }

    write_files(tmp_path, vmm(0, 0) | vhost(0) | {"sys/module/vhost/refcnt": "1"})
    found = collect(
        VmmCollector(tmp_path), Vantage(20, vmm=True), lambda: write_files(tmp_path, vhost(200_000_000))
    )
    assert found["vmm.cpu.vhost"] == pytest.approx(0.2)
    assert found["vmm.cpu.other"] == 0


# -- guest memory -----------------------------------------------------------------------------------


def mapping(start, size, pss, ksm=None, name=""):
    more = "" if ksm is None else f"KSM: {ksm >> 10} kB\n"
    return (
        f"{start:x}-{start + size:x} rw-p 00000000 00:00 0   {name}\nSize: {size >> 10} kB\n"
        f"Pss: {pss >> 10} kB\nPss_Dirty: 4 kB\n{more}VmFlags: rd wr\n"
    )


MIB = 1 << 20


def test_guest_ram_and_the_vmms_overhead_are_told_apart(tmp_path):
    text = (
        mapping(0x1000, MIB, 256 << 10, name="/usr/bin/qemu")
        + mapping(1 << 32, 64 * MIB, 20 * MIB, ksm=MIB)
        + mapping(1 << 40, 8 * MIB, 3 * MIB, ksm=0, name="[heap]")
    )
    write_files(tmp_path, {"proc/20/smaps": text})
    found = collect(GuestMemoryCollector(tmp_path), Vantage(20, guest_ram_bytes=64 * MIB))
    assert found == {
        "guest_memory.ram": 20 * MIB,
        "guest_memory.ram_merged": MIB,
        "guest_memory.overhead": 3 * MIB + (256 << 10),
    }


@pytest.mark.parametrize("count", [0, 2])
def test_ram_that_cannot_be_told_apart_gives_no_number(tmp_path, count):
    text = mapping(0x1000, MIB, 4096) + "".join(mapping(i << 36, 64 * MIB, MIB) for i in range(1, count + 1))
    write_files(tmp_path, {"proc/20/smaps": text})
    collector = GuestMemoryCollector(tmp_path)
    assert collect(collector, Vantage(20, guest_ram_bytes=64 * MIB)) == {}
    assert f"{count} mappings" in collector.unavailable["guest_memory"]


# -- KVM --------------------------------------------------------------------------------------------


def stats(*vcpus):
    return [
        {
            "provider": "kvm",
            "stats": [
                *({"name": name, "value": value} for name, value in vcpu.items()),
                {"name": "halt_wait_hist", "value": [0, 1]},
                {"name": "blocking", "value": False},
            ],
        }
        for vcpu in vcpus
    ]


class Monitor:
    """Answers ``query-stats`` from a list, one answer a question."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, command, arguments):
        assert command == "query-stats"
        assert arguments["target"] == "vcpu"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_exits_come_from_the_monitor_summed_over_vcpus():
    monitor = Monitor(
        stats({"exits": 10, "io_exits": 1, "halt_wait_ns": 0}, {"exits": 5}),
        stats({"exits": 110, "io_exits": 41, "halt_wait_ns": 2_000_000_000}, {"exits": 7}),
    )
    collector = ExitCollector()
    state = collector.begin(Vantage(20, kvm=True, monitor=monitor))
    metrics = {metric.name: metric for metric in collector.end(state)}
    assert metrics["kvm.exits"].value == 102
    assert metrics["kvm.exits.io"].value == 40
    assert metrics["kvm.halt.wait"].value == pytest.approx(2.0)
    assert metrics["kvm.halt.wait"].unit == "s"
    assert metrics["kvm.exits"].source == "kvm: QMP query-stats"
    assert "kvm.exits.mmio" not in metrics


@pytest.mark.parametrize("answer", [TareError("refused"), [{"odd": 1}], [], "x"])
def test_exits_come_from_debugfs_where_the_monitor_has_none(tmp_path, answer):
    folder = "sys/kernel/debug/kvm/20-11"
    write_files(tmp_path, {f"{folder}/exits": "1000\n", f"{folder}/mmio_exits": "3\n"})
    collector = ExitCollector(tmp_path)
    state = collector.begin(Vantage(20, kvm=True, monitor=Monitor(answer)))
    write_files(tmp_path, {f"{folder}/exits": "1500\n", f"{folder}/mmio_exits": "4\n"})
    metrics = {metric.name: metric for metric in collector.end(state)}
    assert metrics["kvm.exits"].value == 500
    assert metrics["kvm.exits.mmio"].value == 1
    assert metrics["kvm.exits"].source == "kvm: debugfs"


def test_without_any_source_the_reasons_are_told(tmp_path):
    collector = ExitCollector(tmp_path)
    assert collect(collector, Vantage(20, kvm=True)) == {}
    assert set(collector.unavailable) == {"kvm (monitor)", "kvm (debugfs)", "kvm (tracepoint)"}


# -- all --------------------------------------------------------------------------------------------


def test_a_collectors_own_cost_is_a_metric(tmp_path):
    collector = HostCollector(tmp_path)
    costs = {metric.name: metric for metric in collector.end(collector.begin(Vantage(1)))}
    assert costs["collector.host.seconds"].value > 0
    assert costs["collector.host.cpu"].value > 0
    assert {metric.direction for metric in costs.values()} == {"lower"}


@pytest.mark.parametrize(
    ("vantage", "names"),
    [
        (Vantage(1), ["host", "processes"]),
        (Vantage(1, {"unified": Path("x")}), ["host", "cgroup", "processes"]),
        (Vantage(1, vmm=True, shared_with_host=False), ["host", "processes", "vmm"]),
        (
            Vantage(1, vmm=True, kvm=True, guest_ram_bytes=1 << 20, shared_with_host=False),
            ["host", "processes", "vmm", "guest_memory", "kvm"],
        ),
        (Vantage(1, shared_with_host=False), ["host"]),
    ],
)
def test_the_collectors_fit_the_place(vantage, names):
    assert [collector.name for collector in default_collectors(vantage)] == names


def test_usage_gives_a_metric_per_counter():
    usage = Usage(1.5, 0.5, 4096, 10, 1, 2, 3, 7, 8)
    metrics = {metric.name: metric for metric in usage_metrics(usage)}
    assert metrics["cpu.user"].value == 1.5
    assert metrics["cpu.total"].value == metrics["cpu.user"].value + metrics["cpu.system"].value
    assert metrics["cpu.system"].clock == "cpu-time"
    assert metrics["io.write"].value == 3 * 512
    assert metrics["memory.peak_rss"].unit == "bytes"
    assert {metric.source for metric in metrics.values()} == {"agent"}
    assert {metric.source for metric in usage_metrics(usage, source="launcher")} == {"launcher"}
    assert len(metrics) == 10
    assert not set(metrics) & set(MARKS)


def test_importing_the_collectors_loads_nothing_heavy():
    code = (
        "import sys, tare.runners.collectors\n"
        "print([name for name in ('psutil', 'numpy', 'pandas', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_that_are_no_numbers_are_survived(tmp_path):
    write_files(
        tmp_path, {"proc/stat": "cpu  ² 1 1 1 1 1 1 1 1 1\n", "proc/diskstats": "", "memory.peak": "²"}
    )
    assert collect(HostCollector(tmp_path), Vantage(1)) == {}
    assert collect(CgroupCollector(), Vantage(1, {"unified": tmp_path})) == {}


STATS = {
    "flush_operations": 7, "failed_flush_operations": 0, "rd_operations": 1, "wr_operations": 9, "rd_bytes": 512,
    "wr_bytes": 4096, "flush_total_time_ns": 2_000_000_000,
}  # fmt: skip


def test_a_guests_disk_is_the_scratch_disk_and_its_times_are_seconds():
    answer = [{"device": "root", "stats": {}}, {"device": "scratch", "stats": STATS}]
    vantage = Vantage(1, vmm=True, monitor=lambda _command: answer)
    collector = GuestDiskCollector()
    found = collector.counters(vantage)
    assert found["guest_disk.flushes"] == 7
    assert found["guest_disk.flush_seconds"] == 2.0
    assert set(found) == set(collector.kinds)


@pytest.mark.parametrize(("answer", "why"), [([], "no disk"), ([{"device": "scratch"}], "something else")])
def test_a_disk_that_is_not_counted_gives_no_zero(answer, why):
    collector = GuestDiskCollector()
    assert collector.counters(Vantage(1, vmm=True, monitor=lambda _command: answer)) == {}
    assert why in collector.unavailable["guest_disk"]
