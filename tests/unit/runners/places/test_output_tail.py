import os
import threading

from tare.runners.places.output_tail import KEEP_BYTES, Drain, Tail


def test_only_the_end_is_kept():
    tail = Tail(keep_bytes=4)
    tail.add(b"abc")
    tail.add(b"defg")
    assert bytes(tail) == b"defg"
    assert tail.total_bytes == 7


def test_what_was_written_is_there_at_once():
    drain = Drain()
    os.write(drain.write_fd, b"cannot do that\n")
    assert drain.text() == "cannot do that"
    drain.close()
    assert drain.text() == "cannot do that"


def test_a_flood_never_blocks_its_writer():
    drain = Drain()
    writer = os.dup(drain.write_fd)
    drain.let_go()
    for _ in range(100):
        os.write(writer, b"x" * 40_000)
    os.write(writer, b"the end")
    os.close(writer)
    drain.close()
    assert drain.text().endswith("the end")
    assert len(drain.text()) == KEEP_BYTES


def test_closing_does_not_wait_for_who_holds_the_other_end():
    drain = Drain()
    held = os.dup(drain.write_fd)
    before = threading.active_count()
    drain.close()
    drain.close()
    assert threading.active_count() == before - 1
    os.close(held)
