"""A registry of images in this process, which answers as the OCI distribution specification says, from an OCI layout."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from support.image_making import digest


@dataclass
class RegistryDouble:
    """What the registry has, and what it was asked for."""

    repository: str
    host: str = ""
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Tag or digest → media type and content."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    digest: str = ""
    """Digest of the index that was pushed first."""

    def name(self, reference: str) -> str:
        """Give the full name of an image: by tag, or by digest."""
        return f"{self.host}/{self.repository}{'@' if reference.startswith('sha256:') else ':'}{reference}"

    def push(self, layout: Path, tag: str) -> str:
        """Take the images of an OCI layout, as one index, under a tag; give the index' digest."""
        for path in (layout / "blobs/sha256").iterdir():
            self.blobs[f"sha256:{path.name}"] = path.read_bytes()
        entries = json.loads((layout / "index.json").read_text())["manifests"]
        for entry in entries:
            self.manifests[entry["digest"]] = (entry["mediaType"], self.blobs[entry["digest"]])
        kind = "application/vnd.oci.image.index.v1+json"
        index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
        self.manifests[tag] = self.manifests[digest(index)] = (kind, index)
        self.digest = self.digest or digest(index)
        return digest(index)

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Give media type and content for a path; ``None``: 404."""
        self.asked.append(path)
        if path == "/v2/":
            return "application/json", b"{}"
        front, _, reference = path.rpartition("/")
        if front == f"/v2/{self.repository}/manifests":
            return self.manifests.get(reference)
        if front == f"/v2/{self.repository}/blobs" and reference in self.blobs:
            return "application/octet-stream", self.blobs[reference]
        return None


@contextmanager
def registry(repository: str = "test/image") -> Iterator[RegistryDouble]:
    """Serve an empty registry on a free port of this machine, by plain HTTP."""
    double = RegistryDouble(repository)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = double.answer(self.path)
            kind, content = found or ("application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", digest(content))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    double.host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
