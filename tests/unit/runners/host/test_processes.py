import os
import subprocess
import sys

from tare.runners.host.processes import await_end, boot_id, is_running, start_ticks

NOBODY = 1 << 30


def test_a_process_is_known_by_pid_start_and_boot():
    ticks = start_ticks(os.getpid())
    assert is_running(os.getpid(), ticks, boot_id())
    assert not is_running(os.getpid(), ticks + 1, boot_id())
    assert not is_running(os.getpid(), ticks, "another boot")
    assert not is_running(NOBODY, 0, boot_id())


def test_an_end_is_waited_for_even_if_nobody_reaps():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not await_end(process.pid, 0.01)
        process.stdin.close()
        assert await_end(process.pid, 30.0)
        assert start_ticks(process.pid) == 0
    finally:
        process.wait()
    assert await_end(NOBODY, 0.0)
