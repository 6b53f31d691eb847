"""QEMU's log, its wall clock and what becomes of them."""

import time

import pytest

from tare.runners.guests.qemu.vcpu_log import EnteredLog


def stamp(wall_ns, state="running"):
    seconds, rest = divmod(wall_ns, 10**9)
    event = f"runstate_set current_run_state 6 (prelaunch) new_state 9 ({state})"
    return f"31520@{seconds}.{rest // 1000:06d}:{event}\n".encode()


def test_the_first_run_of_the_vcpus_is_mapped_to_the_monotonic_clock(tmp_path):
    log = EnteredLog(tmp_path / "log")
    wall, monotonic = time.time_ns(), time.monotonic_ns()
    log.path.write_bytes(b"something\n" + stamp(wall, "paused") + stamp(wall) + stamp(wall + 10**9))
    assert abs(log.entered_ns() - monotonic) < 50_000_000


def test_a_stepped_wall_clock_leaves_no_mark(tmp_path, monkeypatch):
    log = EnteredLog(tmp_path / "log")
    log.path.write_bytes(stamp(time.time_ns()))
    assert log.entered_ns() is not None
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 5_000_000)
    assert log.entered_ns() is None


@pytest.mark.parametrize(
    "said", [b"", b"runstate_set\n", stamp(0, "paused"), b"1@x.y:runstate_set (running)\n"]
)
def test_without_the_trace_event_there_is_no_mark(tmp_path, said):
    log = EnteredLog(tmp_path / "log")
    log.path.write_bytes(said)
    assert log.entered_ns() is None


def test_without_a_log_there_is_no_mark(tmp_path):
    assert EnteredLog(tmp_path / "log").entered_ns() is None
