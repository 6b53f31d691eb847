"""Answer for a Docker daemon on a real socket, from lists, as far as Tare speaks its API."""

import contextlib
import http.server
import json
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class DockerDouble:
    """The daemon: what it has, and what it was asked for."""

    def __init__(self) -> None:
        self.containers: dict[str, str] = {}
        """Id → label."""
        self.images: list[str] = []
        """Tags."""
        self.answers: dict[str, tuple[int, str]] = {}
        """Path → status and body, used before anything else."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and query of every request."""
        self.bodies: list[bytes] = []

    def reply(self, method: str, path: str, query: dict[str, str]) -> tuple[int, str]:  # noqa: PLR0911 - one for each thing that it knows
        if path in self.answers:
            return self.answers[path]
        filters = json.loads(query.get("filters", "{}"))
        match method, path.split("/")[1:]:
            case "GET", ["containers", "json"]:
                (wanted,) = filters["label"]
                found = [{"Id": key} for key, label in self.containers.items() if label == wanted]
                return 200, json.dumps(found)
            case "GET", ["images", "json"]:
                start = filters["reference"][0].rstrip("*")
                tags = [tag for tag in self.images if tag.startswith(start)]
                return 200, json.dumps([{"RepoTags": [tag]} for tag in tags] + [{"RepoTags": None}])
            case "DELETE", ["containers", name]:
                return (204, "") if self.containers.pop(name, None) else (404, '{"message": "No such"}')
            case "DELETE", ["images", tag]:
                if tag not in self.images:
                    return 404, '{"message": "No such image"}'
                self.images.remove(tag)
                return 200, "[]"
        return 500, '{"message": "the double does not know this"}'


@contextlib.contextmanager
def docker_double(path: Path) -> Iterator[DockerDouble]:
    """Serve at a socket until the context ends."""
    double = DockerDouble()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            double.requests.append((self.command, url.path, query))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                double.bodies.append(body)
            status, text = double.reply(self.command, url.path, query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "unix"

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()
