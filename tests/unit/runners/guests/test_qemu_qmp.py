"""QEMU's monitor against a peer that answers, refuses, babbles, falls silent and dies."""

import contextlib
import json
import os
import socket
import threading

import pytest

from tare.runners.guests.qemu.qmp import Qmp, QmpError

GREETING = {"QMP": {"version": {}, "capabilities": []}}


@pytest.fixture
def monitor():
    with contextlib.ExitStack() as stack:

        def make(*answers, close=True):
            qmp = _monitor(*answers, close=close)
            stack.callback(qmp.close)
            return qmp

        yield make


def _monitor(*answers, close):
    """A Qmp whose QEMU greets, accepts the negotiation, and gives these answers, one to each command."""
    ours, theirs = socket.socketpair()

    def serve():
        with theirs, theirs.makefile("rwb") as file:
            file.write(json.dumps(GREETING).encode() + b"\n")
            file.flush()
            for answer in ({"return": {}}, *answers):
                if not file.readline():
                    return
                for part in answer if isinstance(answer, list) else [answer]:
                    file.write(part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n")
                file.flush()
            if not close:
                file.readline()

    threading.Thread(target=serve, daemon=True).start()
    return Qmp(ours)


def test_answers_come_in_order_and_events_are_kept_apart(monitor):
    event = {"event": "STOP", "timestamp": {}}
    qmp = monitor([event, {"return": {"status": "running"}}], {"return": "EAX=0"})
    assert qmp.ask("query-status") == {"status": "running"}
    assert qmp.events == [event]
    assert qmp.human("info registers") == "EAX=0"


def test_refusal_names_the_command_and_qemus_words(monitor):
    qmp = monitor({"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}})
    with pytest.raises(QmpError, match="QEMU refused x: The command x has not been found"):
        qmp.ask("x")


@pytest.mark.parametrize(
    ("answer", "match"),
    [(b"garbage\n", "no JSON"), (b"[1]\n", "no object"), (b"\xff\xfe\n", "no JSON")],
)
def test_nonsense_is_an_error(monitor, answer, match):
    with pytest.raises(QmpError, match=match):
        monitor(answer).ask("query-status")


def test_silence_is_bounded(monitor):
    with pytest.raises(QmpError, match="did not answer in time"):
        monitor([], close=False).ask("query-status", timeout_seconds=0.05)


def test_death_is_told(monitor):
    with pytest.raises(QmpError, match="QEMU ended"):
        monitor([]).ask("query-status")


def test_descriptors_are_handed_over(tmp_path):
    ours, theirs = socket.socketpair()
    qmp = Qmp(ours)
    theirs.sendall(
        b"".join(json.dumps(one).encode() + b"\n" for one in (GREETING, {"return": {}}, {"return": {}}))
    )
    file = tmp_path / "state"
    file.write_text("kept")
    with file.open() as opened:
        qmp.ask("getfd", {"fdname": "state"}, fds=(opened.fileno(),))
    data, fds = b"", []
    while b"getfd" not in data:
        more, passed, _, _ = socket.recv_fds(theirs, 4096, 4)
        data, fds = data + more, fds + passed
    assert os.read(fds[0], 10) == b"kept"
    os.close(fds[0])
    theirs.close()
    qmp.close()


def test_what_is_told_before_qemu_lives_is_answered_before_the_first_question():
    ours, theirs = socket.socketpair()
    qmp = Qmp(ours)
    qmp.tell((("migrate-incoming", {"uri": "fd:6"}),))
    with theirs, theirs.makefile("rwb") as file:
        told = [json.loads(file.readline())["execute"] for _ in range(2)]
        resume = {"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}
        for message in (GREETING, {"return": {}}, {"return": {}}, resume, {"return": 7}):
            file.write(json.dumps(message).encode() + b"\n")
        file.flush()
        assert told == ["qmp_capabilities", "migrate-incoming"]
        assert qmp.event("RESUME") == resume
        assert qmp.ask("query-x") == 7
    qmp.close()


def test_a_refusal_of_what_was_told_is_raised():
    ours, theirs = socket.socketpair()
    qmp = Qmp(ours)
    qmp.tell(())
    with theirs, theirs.makefile("rwb") as file:
        for message in (GREETING, {"error": {"desc": "no such thing"}}):
            file.write(json.dumps(message).encode() + b"\n")
        file.flush()
        with pytest.raises(QmpError, match="told at its start: no such thing"):
            qmp.settle()
    qmp.close()


def test_an_event_that_does_not_come_is_waited_for_in_bounded_time(monitor):
    qmp = monitor({"return": {}}, close=False)
    with pytest.raises(QmpError, match="in time"):
        qmp.event("RESUME", timeout_seconds=0.05)
