"""What psutil is asked: the numbers of a known /proc, nothing from a broken one, and its paths as they were."""

import subprocess
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from tare.runners.host import system

MEMINFO = """MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    8000000 kB
SwapTotal:       2000000 kB
SwapFree:         500000 kB
"""
STAT = "cpu  100 200 300 400 500 600 700 800 50 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n"


def proc(root, **files):
    (root / "proc").mkdir(exist_ok=True)
    for name, text in files.items():
        (root / "proc" / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return root


def test_numbers_are_bytes_and_seconds(tmp_path):
    root = proc(tmp_path, meminfo=MEMINFO, stat=STAT)
    assert system.memory(root) == system.Memory(
        16_000_000 << 10, 8_000_000 << 10, 2_000_000 << 10, 1_500_000 << 10
    )
    # psutil divides by the clock's ticks; guests' time is a part of the others.
    assert astuple(system.cpu_time(root)) == pytest.approx((8.0, 36.0))


def test_this_host_answers():
    assert system.load_average() >= 0
    assert system.memory().total_bytes > 1 << 20
    assert system.cpu_time().all_seconds > 0


def test_what_cannot_be_read_is_none(tmp_path):
    assert system.memory(tmp_path) == system.Memory(None, None, None, None)
    assert system.cpu_time(tmp_path) is None
    assert system.memory(proc(tmp_path, meminfo="MemTotal: 1 kB\n")).total_bytes is None


def test_a_host_without_load_average(monkeypatch):
    def refuse():
        raise OSError

    monkeypatch.setattr(psutil, "getloadavg", refuse)
    assert system.load_average() is None


@given(st.text(max_size=80))
def test_malformed_files_are_survived_and_psutil_looks_where_it_did(tmp_path_factory, text):
    root = proc(tmp_path_factory.mktemp("root"), meminfo=text, stat=text)
    system.memory(root)
    system.cpu_time(root)
    assert psutil.PROCFS_PATH == "/proc"


def test_psutil_is_imported_when_it_is_asked():
    code = (
        "import sys, tare.runners.host.conditions as conditions, tare.runners.bare\n"
        "print('psutil' in sys.modules); conditions.conditions(); print('psutil' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
