import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.trees import write_files
from tare.runners.host import conditions as module
from tare.runners.host.conditions import CHECKS, conditions
from tare.runners.host.steal import CpuSample, steal
from tare.runners.host.system import CpuTime

CPU = "sys/devices/system/cpu"
CLOCKS = "sys/devices/system/clocksource/clocksource0"
VMS = "sys/kernel/mm/transparent_hugepage/enabled"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


GOOD_AND_BAD = [
    ("governor", {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n"}, True),
    ("governor", {f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n"}, False),
    ("governor", {}, None),
    ("turbo_mode", {f"{CPU}/intel_pstate/no_turbo": "1\n"}, True),
    ("turbo_mode", {f"{CPU}/intel_pstate/no_turbo": "0\n"}, False),
    ("turbo_mode", {f"{CPU}/cpufreq/boost": "1\n"}, False),
    ("turbo_mode", {f"{CPU}/cpufreq/boost": "0\n"}, True),
    ("turbo_mode", {f"{CPU}/cpufreq/boost": "?\n"}, None),
    ("load", {"loadavg": "0.10", f"{CPU}/online": "0-1"}, True),
    ("load", {"loadavg": "1.50", f"{CPU}/online": "0-1"}, False),
    ("load", {}, None),
    ("pressure", {"proc/pressure/cpu": "some avg10=0.50 avg60=9 total=1\n"}, True),
    ("pressure", {"proc/pressure/io": "some avg10=50.00 avg60=0 total=1\nfull avg10=1\n"}, False),
    ("pressure", {"proc/pressure/io": "garbage"}, None),
    ("steal", {"proc/stat": "cpu 100 0 0 900 0 0 0 0 0 0\n"}, True),
    ("steal", {"proc/stat": "cpu 100 0 0 900 0 0 0 500 0 0\n"}, False),
    ("steal", {"proc/stat": "cpu 100 0\n"}, None),
    ("nesting", {"proc/cpuinfo": "flags : fpu\n"}, True),
    ("nesting", {"proc/cpuinfo": "flags : fpu hypervisor\n"}, False),
    ("nesting", {"proc/cpuinfo": "CPU implementer : 0x41\n"}, None),
    ("aslr", {"proc/sys/kernel/randomize_va_space": "0\n"}, True),
    ("aslr", {"proc/sys/kernel/randomize_va_space": "2\n"}, True),
    ("aslr", {}, None),
    ("swap", {"proc/meminfo": "SwapTotal: 8 kB\nSwapFree: 8 kB\n"}, True),
    ("swap", {"proc/meminfo": "SwapTotal: 99999 kB\nSwapFree: 0 kB\n"}, False),
    ("swap", {"proc/meminfo": "SwapTotal: x kB\n"}, None),
    ("smt", {f"{CPU}/smt/active": "0\n"}, True),
    ("smt", {f"{CPU}/smt/active": "1\n"}, False),
    ("smt", {}, None),
    ("huge_pages", {VMS: "always [madvise] never\n"}, True),
    ("huge_pages", {VMS: "[always] madvise never\n"}, False),
    ("huge_pages", {}, None),
    (
        "battery",
        {"sys/class/power_supply/B/type": "Battery\n", "sys/class/power_supply/B/status": "Full\n"},
        True,
    ),
    (
        "battery",
        {"sys/class/power_supply/B/type": "Battery\n", "sys/class/power_supply/B/status": "Discharging\n"},
        False,
    ),
    ("throttling", {f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "0\n"}, True),
    ("throttling", {f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "7\n"}, False),
    ("throttling", {}, None),
    ("clock_source", {f"{CLOCKS}/current_clocksource": "tsc\n"}, True),
    ("clock_source", {f"{CLOCKS}/current_clocksource": "hpet\n"}, False),
    ("clock_source", {}, None),
]


@pytest.mark.parametrize(("check", "files", "ok"), GOOD_AND_BAD)
def test_each_condition_in_each_state(tmp_path, monkeypatch, check, files, ok):
    # The load comes from getloadavg(3), which knows no other root.
    average = files.get("loadavg")
    monkeypatch.setattr(module, "load_average", lambda: average and float(average))
    found = getattr(module, check)(write_files(tmp_path, files))
    assert found.ok is ok
    assert found.found
    assert bool(found.advice) is (ok is False or found.found.startswith("on (2)"))
    assert bool(found.change) is bool(found.undo)


def test_every_check_has_a_good_and_a_bad_state_above():
    seen = {(check, ok) for check, _, ok in GOOD_AND_BAD}
    for check in CHECKS:
        assert (check.__name__, True) in seen
        assert (check.__name__, False) in seen or check is module.aslr  # which is worth a note, not a warning


def test_advice_undoes_what_it_changes(tmp_path):
    write_files(
        tmp_path,
        {f"{CPU}/cpu0/cpufreq/scaling_governor": "schedutil\n", f"{CPU}/intel_pstate/no_turbo": "0\n"},
    )
    governor, turbo = module.governor(tmp_path), module.turbo_mode(tmp_path)
    assert "performance" in governor.change
    assert "schedutil" in governor.undo
    assert turbo.change == "echo 1 | tee /sys/devices/system/cpu/intel_pstate/no_turbo"
    assert turbo.undo == "echo 0 | tee /sys/devices/system/cpu/intel_pstate/no_turbo"


def test_a_slow_clock_source_can_be_changed_only_if_a_better_one_is_there(tmp_path):
    write_files(
        tmp_path,
        {f"{CLOCKS}/current_clocksource": "hpet\n", f"{CLOCKS}/available_clocksource": "hpet acpi_pm\n"},
    )
    assert module.clock_source(tmp_path).change == ""
    write_files(tmp_path, {f"{CLOCKS}/available_clocksource": "tsc hpet\n"})
    assert module.clock_source(tmp_path).change.startswith("echo tsc")
    assert module.clock_source(tmp_path).undo.startswith("echo hpet")


def test_steal_is_seen_in_the_sample(tmp_path, monkeypatch):
    root = write_files(tmp_path, {"proc/stat": "cpu 100000 0 0 900000 0 0 0 5 0 0\n"})
    monkeypatch.setattr(
        "time.sleep", lambda _: write_files(root, {"proc/stat": "cpu 100010 0 0 900020 0 0 0 15 0 0\n"})
    )
    found = steal(root)
    assert found.ok is False
    assert found.found.startswith("25.0 %")


def test_a_sample_of_steal_that_began_long_ago_is_not_waited_for(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    root = write_files(tmp_path, {"proc/stat": "cpu 100010 0 0 900020 0 0 0 15 0 0\n"})
    began = CpuSample(time.monotonic() - 3.0, CpuTime(0.05, 10000.05))
    found = {one.name: one for one in conditions(root=root, since=began)}["steal"]
    assert found.found.startswith("25.0 % in 3.0 s")
    assert pauses == []


@pytest.mark.parametrize(("kind", "ok"), [("ext4", True), ("tmpfs", False), ("overlay", False)])
def test_the_work_folders_file_system(tmp_path, kind, ok):
    write_files(tmp_path, {"proc/self/mountinfo": f"22 1 254:0 / / rw - {kind} dev rw\n"})
    assert module.work_folder(Path("/var/tmp"), tmp_path).ok is ok


def test_this_host_answers_for_all():
    found = conditions()
    assert len(found) == len(CHECKS) + 1
    assert len({condition.name for condition in found}) == len(found)


@given(st.text(max_size=60))
def test_malformed_files_are_survived(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("root")
    for _, files, _ in GOOD_AND_BAD:
        for name in files:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert all(condition.found for condition in conditions(root=root))
