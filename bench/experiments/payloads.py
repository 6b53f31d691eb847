"""What ``deploy`` deploys: small servers in two versions that differ in the image's top layer only.

Each image is the suite's base (agent and busybox), the language's runtime if there is one, and the application. A job
starts the server, asks it until it answers, and ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runners.images.build import build_image
from runners.model import Job
from runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.experiments.base import Lab
    from runners.images.image import Image

VERSIONS = ("v1", "v2")
START_SECONDS = 120.0
_SERVER = "srv/busybox-server"
"""busybox takes its first argument as the applet's name if it is itself called by a name that begins so."""

_APPLICATION = """
import http.server, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"tare {version}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""

_ASK = """
busybox=$1 port=$2
shift 2
"$@" &
server=$!
until answer=$("$busybox" wget -q -O - "http://127.0.0.1:$port/" 2>/dev/null); do
    kill -0 $server 2>/dev/null || { echo "the server ended before it answered" >&2; exit 1; }
    "$busybox" usleep 2000
done
printf %s "$answer"
kill -9 $server
"""


@dataclass(frozen=True, slots=True)
class Payload:
    """A server and how it is asked."""

    name: str
    summary: str
    programs: tuple[str, ...] = ("busybox",)

    def image(self, version: str, lab: Lab) -> Image:
        """The image of that version."""
        store = Cache(lab.context.cache, lab.say)
        binary = lab.provision.tool("busybox").path.read_bytes()
        files = self._files(version, binary)

        def write(folder: Path) -> Mapping[str, Any]:
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
                (folder / path).chmod(0o755)
            return {}

        made = store.entry("payloads", repr(sorted(files.items())), write).path
        return build_image(
            self.programs,
            lab.provision,
            lab.context.cache,
            progress=lab.say,
            extra_files={path: made / path for path in files},
        )

    def job(self, image: Image, root: str, port: int) -> Job:
        """Start the server and ask it until it answers; prints the answer."""
        base = root.rstrip("/")
        if self.name == "python":
            server = image.argv(root, "python3", f"{base}/srv/app.py", str(port))
        else:
            server = (f"{base}/{_SERVER}", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", f"{base}/srv/www")
        busybox = f"{base}{image.programs['busybox'].path}"
        return Job(
            argv=image.argv(root, "busybox", "sh", "-c", _ASK, "sh", busybox, str(port), *server),
            environ=image.environ(root),
            timeout_seconds=START_SECONDS,
        )

    @staticmethod
    def answer(version: str) -> str:
        """What the server of that version says."""
        return f"tare {version}"

    def _files(self, version: str, busybox: bytes) -> dict[str, bytes]:
        if self.name == "python":
            return {"srv/app.py": _APPLICATION.replace("{version}", version).encode()}
        # What stands behind a program's end is not loaded, but makes it another one.
        return {
            _SERVER: busybox + f"\ntare {version}\n".encode(),
            "srv/www/index.html": self.answer(version).encode(),
        }


STATIC = Payload("static", "one static program that serves a page by HTTP (busybox)")
PYTHON = Payload("python", "a web application on Python's standard library", ("busybox", "python3"))
PAYLOADS = (STATIC, PYTHON)
