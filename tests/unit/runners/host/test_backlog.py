"""The backlog of another process' socket: as wide as it was made, and nothing worse where it cannot be."""

import os
import socket
from contextlib import ExitStack

import pytest

from tare.runners.host import backlog
from tare.runners.host.backlog import widen_backlog

CLIENTS = 10


def connected(port: int) -> int:
    """Count how many of ten connections come about while nobody accepts them."""
    with ExitStack() as stack:
        for count in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.1)
            try:
                client.connect(("127.0.0.1", port))
            except TimeoutError:
                return count
        return CLIENTS


def test_more_connections_wait_at_a_socket_whose_backlog_was_widened():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        port = server.getsockname()[1]
        assert connected(port) < CLIENTS
        assert widen_backlog(os.getpid(), port, 64)
        assert connected(port) == CLIENTS


def test_without_such_a_socket_process_or_system_call_nothing_is_widened(monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(backlog, "_PIDFD_GETFD", 100_000)
        assert not widen_backlog(os.getpid(), port)
    assert not widen_backlog(os.getpid(), port)
    assert not widen_backlog(2**22 + 1, port)


@pytest.mark.parametrize("error", [PermissionError, ProcessLookupError])
def test_a_process_that_may_not_be_looked_into_is_left_alone(monkeypatch, error):
    def refuse(_pid: int, _port: int) -> int:
        raise error

    monkeypatch.setattr(backlog, "_descriptor", refuse)
    assert not widen_backlog(1, 80)
