"""``app-nginx`` and ``app-python``: measure web servers, by ``wrk`` at the maximum and at a fixed load."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare.bench.experiments.applications.base import LOAD_SECONDS, TOOL_SECONDS, Application, Session, maximum
from tare.bench.experiments.applications.load import Load
from tare.bench.experiments.serving import Address, Readiness, Server
from tare.bench.workloads.base import ParseError, number
from tare.results.said import say
from tare.runners.model import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tare.results.record import Metric

PAGE = "srv/www/index.html"
PAGE_BYTES = 1024
APPLICATION = "srv/app.py"

_NGINX = """
daemon off; master_process off; error_log stderr warn; pid {scratch}/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off; sendfile on; keepalive_requests 100000000; default_type text/html;
    client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
    server { listen {listen}:{port}; root {root}/srv/www; }
}
"""

_PYTHON = """
import http.server, json, sys

ROWS = [{"id": number, "name": f"row {number}", "tags": ["a", "b", "c"], "price": number / 7} for number in range(50)]

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        found = sorted((row for row in ROWS if row["id"] % 2), key=lambda row: -row["price"])
        body = json.dumps({"path": self.path, "rows": found}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Answer).serve_forever()
"""

_LATENCY = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s|m) *$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([0-9.]+)$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s+(\d+) requests in ", re.MULTILINE)
_WRONG = re.compile(r"^\s*(?:Socket errors|Non-2xx or 3xx responses): .*$", re.MULTILINE)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Web(Application):
    """Measure a web server by one page."""

    connections: int = 32

    def measure(self, session: Session) -> Iterable[Metric]:
        """Warm up the server, then measure."""
        warm = Load("http", self._request(session.at), 0, self.connections, session.seconds(0.1))
        session.offer(replace(warm, warmup_seconds=0))
        yield from parse(self.name, wrk(session, self.connections))
        fixed = Load("http", warm.request, self.rate, self.connections, LOAD_SECONDS)
        yield from self.at_fixed_load(session, fixed)

    @staticmethod
    def _request(at: Address) -> str:
        return f"GET / HTTP/1.1\r\nHost: {at.address}\r\n\r\n"


class Nginx(Web):
    """nginx with one process, and a file of 1 KiB."""

    __slots__ = ()

    def server(self) -> Server:
        """Describe the server program of this application."""
        return Server(_nginx_job, Readiness("http"))

    def configuration(self) -> Mapping[str, bytes]:
        """Return the page that the server gives out."""
        return {PAGE: b"x" * (PAGE_BYTES - 1) + b"\n"}


class PythonWeb(Web):
    """A Python application on the standard library's threading HTTP server."""

    __slots__ = ()

    def server(self) -> Server:
        """Describe the server program of this application."""
        return Server(_python_job, Readiness("http"))

    def configuration(self) -> Mapping[str, bytes]:
        """Return the program of the application."""
        return {APPLICATION: _PYTHON.encode()}


def nginx_configuration(scratch: str, root: str, listen: str, port: int) -> str:
    """Return nginx's configuration: one process in the foreground, with its files in the scratch folder."""
    text = _NGINX
    words = {"scratch": scratch, "root": root.rstrip("/"), "listen": listen, "port": str(port)}
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _nginx_job(at: Address) -> Job:
    site = at.site
    text = nginx_configuration(site.scratch, site.root, at.listen, at.port)
    server = site.image.argv(
        site.root, "nginx", "-e", "stderr", "-p", site.scratch, "-c", f"{site.scratch}/nginx.conf"
    )
    script = 'printf %s "$1" >nginx.conf && shift && exec "$@"'
    argv = site.image.argv(site.root, "busybox", "sh", "-c", script, "sh", text, *server)
    return Job(argv, site.image.environ(site.root, "nginx"), directory=site.scratch)


def _python_job(at: Address) -> Job:
    site = at.site
    program = f"{site.root.rstrip('/')}/{APPLICATION}"
    argv = site.image.argv(site.root, "python3", "-B", program, at.listen, str(at.port))
    return Job(argv, site.image.environ(site.root, "python3"), directory=site.scratch)


def wrk(session: Session, connections: int) -> bytes:
    """Run wrk for a second, or some under TCG, and return its report."""
    at = session.at
    words = (
        "-t",
        "1",
        "-c",
        str(connections),
        "-d",
        f"{session.seconds(TOOL_SECONDS):g}s",
        "--timeout",
        "20s",
        "--latency",
    )
    return session.tool("wrk", *words, f"http://{at.address}:{at.port}/").stdout


def parse(name: str, output: bytes) -> tuple[Metric, ...]:
    """Read the report of ``wrk --latency``.

    Raises:
        ParseError: it is none, or tells of errors.
    """
    text = output.decode("utf-8", "replace")
    if wrong := _WRONG.search(text):
        raise ParseError(
            name, say("parse.wrk_errors", "wrk reports errors ({strip})", strip=wrong[0].strip()), output
        )
    rate, requests = _RATE.search(text), _REQUESTS.search(text)
    points = {point: float(value) * _SECONDS[unit] for point, value, unit in _LATENCY.findall(text)}
    if rate is None or requests is None or points.keys() != {"50", "99"}:
        raise ParseError(name, say("parse.no_wrk", "no report of wrk"), output)
    count = int(number(name, "requests", requests[1], output))
    return maximum(number(name, "rate", rate[1], output), points["50"], points["99"], "wrk", count)


NGINX = Nginx(
    name="app-nginx",
    summary="nginx, a page of 1 KiB: the most that wrk gets, and latencies at a fixed load",
    packed=("nginx", "wrk"),
    rate=3000,
)
PYTHON = PythonWeb(
    name="app-python",
    summary="a Python web application: the most that wrk gets, and latencies at a fixed load",
    packed=("python3", "wrk"),
    rate=300,
    connections=4,
)
