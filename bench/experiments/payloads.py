"""Build what ``deploy`` deploys: small servers in two versions that differ only in the image's top layer.

Each image is the suite's base (agent and busybox), the language's runtime if there is one, and the application. A job
starts the server, asks it until it answers, and ends it.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare.bench.experiments import postgres
from tare.runners.images.build import build_image
from tare.runners.images.recipe import ImageContent
from tare.runners.model import Job
from tare.runners.provision.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tare.bench.experiments.base import Lab
    from tare.runners.images.image import Image

VERSIONS = ("v1", "v2")
START_SECONDS = 120.0
"""Time-out of a job."""
_SERVER = "srv/busybox-server"
"""Path in the image. If its name begins with ``busybox``, busybox takes its first argument as the applet's name."""

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
{prepare}
{server} &
server=$!
until answer=$({ask} 2>/dev/null); do
    kill -0 $server 2>/dev/null || { echo "the server ended before it answered" >&2; exit 1; }
    {busybox} usleep 2000
done
echo "tare ${answer#tare }"
kill -9 $server
"""

_UNPACK = """
{busybox} tar x -f {tar} -C {scratch} && {busybox} chown -R nobody:nogroup {scratch}/data || exit 1
"""


@dataclass(frozen=True, slots=True)
class Payload(ABC):
    """A server in two versions, and how it is asked for its version."""

    name: str
    summary: str
    programs: tuple[str, ...] = ("busybox",)
    second_user: bool = False
    """The server needs another user than root in its place."""

    def image(self, version: str, lab: Lab) -> Image:
        """Build the image of a version; only its last layer, ``application``, differs between versions."""
        store = Cache(lab.context.cache, lab.say)
        application = written(self.application(version, lab), store)
        layers = (*self.below(lab, store), ("application", application))
        content = ImageContent(programs=self.programs, layers=layers)
        return build_image(content, lab.provision, lab.context.cache, progress=lab.say)

    @abstractmethod
    def application(self, version: str, lab: Lab) -> dict[str, bytes]:
        """Return the files of the version: path in the image → content."""

    def below(self, lab: Lab, store: Cache) -> tuple[tuple[str, Mapping[str, Path]], ...]:
        """Return layers between the programs and the application: name → (path in the image → file)."""
        del lab, store
        return ()

    @abstractmethod
    def words(self, image: Image, root: str, port: int, scratch: str) -> dict[str, str]:
        """Return shell commands: ``server``; ``ask``, which prints the answer; ``prepare``, if anything comes first."""

    def job(self, image: Image, root: str, port: int, scratch: str) -> Job:
        """Make the job that starts the server, asks it until it answers and prints the answer."""
        script = _ASK
        words = {"prepare": "", "busybox": _busybox(image, root), **self.words(image, root, port, scratch)}
        for name, text in words.items():
            script = script.replace(f"{{{name}}}", text)
        return Job(
            argv=image.argv(root, "busybox", "sh", "-c", script),
            environ=image.environ(root),
            timeout_seconds=START_SECONDS,
        )

    @staticmethod
    def answer(version: str) -> str:
        """Return what the server of that version answers."""
        return f"tare {version}"


class Static(Payload):
    """The web server of busybox, in a copy of busybox that is the application."""

    __slots__ = ()

    def application(self, version: str, lab: Lab) -> dict[str, bytes]:
        """Return busybox with the version behind its end, which is not loaded but changes the file, and its page."""
        busybox = lab.provision.tool("busybox").path.read_bytes()
        return {
            _SERVER: busybox + f"\ntare {version}\n".encode(),
            "srv/www/index.html": self.answer(version).encode(),
        }

    def words(self, image: Image, root: str, port: int, scratch: str) -> dict[str, str]:
        """Return commands that serve and ask by HTTP."""
        del scratch
        base = root.rstrip("/")
        server = (f"{base}/{_SERVER}", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", f"{base}/srv/www")
        return {"server": shlex.join(server), "ask": _wget(image, root, port)}


class Python(Payload):
    """A web application on Python's standard library."""

    __slots__ = ()

    def application(self, version: str, lab: Lab) -> dict[str, bytes]:
        """Return the program, with its version filled in."""
        del lab
        return {"srv/app.py": _APPLICATION.replace("{version}", version).encode()}

    def words(self, image: Image, root: str, port: int, scratch: str) -> dict[str, str]:
        """Return commands that serve and ask by HTTP."""
        del scratch
        server = image.argv(root, "python3", f"{root.rstrip('/')}/srv/app.py", str(port))
        return {"server": shlex.join(server), "ask": _wget(image, root, port)}


class Postgres(Payload):
    """A PostgreSQL server, whose data folder comes with the image and is unpacked before the start."""

    __slots__ = ()

    def application(self, version: str, lab: Lab) -> dict[str, bytes]:
        """Return the server's configuration file."""
        del lab
        return {postgres.CONFIGURATION: postgres.configuration(version)}

    def below(self, lab: Lab, store: Cache) -> tuple[tuple[str, Mapping[str, Path]], ...]:
        """Return a layer with the files that the server opens by itself, and one with its data."""
        runtime = postgres.runtime(lab.provision.tool("postgres"))
        return ("runtime", runtime), ("data", {postgres.DATA: postgres.data(lab.provision, store)})

    def words(self, image: Image, root: str, port: int, scratch: str) -> dict[str, str]:
        """Run the server as nobody, as it refuses to be root, and ask it by SQL."""
        base, busybox = root.rstrip("/"), _busybox(image, root)
        prepare = _UNPACK.replace("{busybox}", busybox).replace("{scratch}", shlex.quote(scratch))
        configuration = f"{base}/{postgres.CONFIGURATION}"
        server = image.argv(
            root, "postgres", "-D", f"{scratch}/data", "-p", str(port), "-c", f"config_file={configuration}"
        )
        ask = image.argv(
            root,
            "psql",
            "-XAtq",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "postgres",
            "-c",
            "show tare.version",
        )
        as_nobody = f"{busybox} su -s {base}/bin/sh nobody -c {shlex.quote(f'exec {shlex.join(server)}')}"
        return {
            "prepare": prepare.replace("{tar}", shlex.quote(f"{base}/{postgres.DATA}")),
            "server": as_nobody,
            "ask": shlex.join(ask),
        }


def written(files: Mapping[str, bytes], store: Cache) -> dict[str, Path]:
    """Write files to the cache for a layer: path in the image → content becomes path in the image → file."""

    def write(folder: Path) -> Mapping[str, Any]:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            (folder / path).chmod(0o755)
        return {}

    made = store.entry("payloads", repr(sorted(files.items())), write).path
    return {path: made / path for path in files}


def _busybox(image: Image, root: str) -> str:
    return shlex.quote(f"{root.rstrip('/')}{image.programs['busybox'].path}")


def _wget(image: Image, root: str, port: int) -> str:
    return f"{_busybox(image, root)} wget -q -O - http://127.0.0.1:{port}/"


STATIC = Static("static", "one static program that serves a page by HTTP (busybox)")
PYTHON = Python("python", "a web application on Python's standard library", ("busybox", "python3"))
POSTGRES = Postgres(
    "postgres", "PostgreSQL, asked by SQL", ("busybox", "postgres", "psql", "initdb"), second_user=True
)
PAYLOADS = (STATIC, PYTHON, POSTGRES)
