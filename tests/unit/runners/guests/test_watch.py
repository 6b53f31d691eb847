import os
import socket

import pytest

from tare.runners.guests.watch import Watch, complaints
from tare.runners.places.output_tail import Tail


@pytest.fixture
def ends():
    console, guest_console = socket.socketpair()
    channel, guest_channel = socket.socketpair()
    stderr, qemu_stderr = os.pipe()
    with Watch(console, stderr, channel) as watch, channel, guest_console, guest_channel:
        yield watch, guest_console, channel, qemu_stderr


def test_flood_is_read_in_full_and_kept_in_part(ends):
    watch, guest_console, _, qemu_stderr = ends
    for _ in range(200):
        guest_console.sendall(b"x" * 50_000)
    guest_console.sendall(b"the end")
    guest_console.close()
    os.close(qemu_stderr)
    watch.finish(timeout_seconds=10)
    assert watch.console.total_bytes == 10_000_007
    assert "the end" in watch.log()
    assert len(watch.log()) < 20_000
    assert "left out" in watch.log()


def test_internal_error_ends_the_channel(ends):
    watch, _, channel, qemu_stderr = ends
    os.write(qemu_stderr, b"KVM internal error. Suberror: 1\n")
    assert channel.recv(1) == b"", "whoever reads the channel sees its end"
    os.close(qemu_stderr)
    assert watch.stuck == "KVM internal error. Suberror: 1"


def test_finish_lets_go_although_the_streams_are_open(ends):
    watch, _, _, qemu_stderr = ends
    watch.finish(timeout_seconds=0.01)
    watch.finish()
    os.close(qemu_stderr)
    assert watch.log() == ""


def test_tail_keeps_the_end():
    tail = Tail(keep_bytes=4)
    tail.add(b"abc")
    tail.add(b"def")
    assert (bytes(tail), tail.total_bytes) == (b"cdef", 6)


def test_complaints_are_without_stamps():
    said = b"2026-11-25T02:39:26.822250Z qemu: -cpu x: unable to find CPU model\nqemu: bye\n"
    assert complaints(said) == ["qemu: -cpu x: unable to find CPU model", "qemu: bye"]
