"""The program that waits for a server, against one of this process."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tare.runners.inside import SOURCE
from tare.runners.native.build import build
from tare.runners.provision.cache import default_cache

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answer with the status that the path names, and with more than a socket's buffers hold."""

    failed: bool = False

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()
        try:
            self.wfile.write(bytes(1 << 19))
        except OSError:
            type(self).failed = True

    def log_message(self, *_words: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve for the module's tests."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [("/200", 0, ""), ("/302", 0, ""), ("/404", 1, "GET /404 is answered by HTTP/1.0 404\n")],
)
def test_the_answers_status_decides_and_is_told_and_the_server_can_send_it_all(port, path, status, said):
    program = build(SOURCE, default_cache())
    command = [program, "await", "http", "127.0.0.1", str(port), path, "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (status, said)
    assert not _Handler.failed


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_who_listens_is_seen_without_a_connection(address):
    program = build(SOURCE, default_cache())
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def look() -> tuple[int, str]:
        command = [str(program), "await", "listens", str(listener.getsockname()[1]), "50"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stderr

    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip("this host has no IPv6")
    with listener:
        assert look() == (0, "")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        status, said = look()
        assert status == 1
        assert said.startswith("looking for who listens at the port: ")
