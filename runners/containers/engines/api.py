"""Call Docker's HTTP API over its socket, outside of timed regions.

What is timed is the client that users run. Probing, loading, reading back and removing need no client, and the API says
more exactly what is wrong with a socket.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tare.results.said import joined, say
from tare.runners.errors import TareError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROBE_SECONDS = 1.5
WORK_SECONDS = 300.0
"""Time limit for loading or removing an image on a busy disk."""


class EngineError(TareError):
    """The daemon cannot be reached or refuses a request."""

    def __init__(self, reason: str, remedy: str = "", *, absent: bool = False, status: int = 0) -> None:
        """``absent``: nobody listens at the socket; ``status``: that of the HTTP answer, 0 without one."""
        super().__init__(joined(reason, remedy))
        self.reason, self.remedy, self.absent, self.status = reason, remedy, absent, status


@contextmanager
def _documented() -> Iterator[None]:
    """Turn an answer of another form than the API's documentation gives into an :class:`EngineError`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise EngineError(
            say(
                "docker.no_api",
                "the Docker daemon's answer is not one of its API ({error})",
                error=f"{error!r:.200}",
            ),
            say("remedy.docker_socket", "is it Docker's socket?"),
        ) from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """See the base class."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DockerApi:
    """Client of one daemon. Each call opens its own connection, so the daemon may be restarted between calls."""

    def __init__(self, path: str) -> None:
        """``path``: the daemon's socket."""
        self.path = path

    @_documented()
    def version(self, timeout_seconds: float = PROBE_SECONDS) -> dict[str, Any]:
        """Ask for the versions of the daemon, its components and its kernel (``GET /version``)."""
        return self._facts("/version", timeout_seconds)

    @_documented()
    def info(self) -> dict[str, Any]:
        """Ask for storage driver, cgroup driver, security options and the like (``GET /info``)."""
        return self._facts("/info", PROBE_SECONDS)

    @_documented()
    def container(self, name: str) -> dict[str, Any]:
        """Describe a container (``GET /containers/NAME/json``)."""
        return self._facts(f"/containers/{name}/json")

    @_documented()
    def network(self, name: str) -> dict[str, Any]:
        """Describe a network (``GET /networks/NAME``)."""
        return self._facts(f"/networks/{name}")

    @_documented()
    def containers(self, label: str) -> list[str]:
        """List the ids of all containers with this label, stopped ones included."""
        query = {"all": "1", "filters": json.dumps({"label": [label]})}
        return [each["Id"] for each in self._json("GET", "/containers/json", query)]

    @_documented()
    def images(self, reference: str) -> list[str]:
        """List the tags of images that match a reference; ``*`` matches anything but a slash."""
        query = {"filters": json.dumps({"reference": [reference]})}
        return [tag for each in self._json("GET", "/images/json", query) for tag in each["RepoTags"] or ()]

    @_documented()
    def layers(self) -> set[str]:
        """List the diff ids of the layers of all images."""
        found: set[str] = set()
        for each in self._json("GET", "/images/json"):
            facts = self._json("GET", f"/images/{each['Id']}/json")
            found |= set(facts.get("RootFS", {}).get("Layers") or ())
        return found

    @_documented()
    def events(self, container: str, since: float, until: float) -> list[dict[str, Any]]:
        """List a container's events, oldest first, as far as the daemon keeps them (the last 256 of all containers).

        Args:
            container: its name.
            since: begin of the window, in seconds since the epoch.
            until: its end.
        """
        query = {
            "since": f"{since:.9f}",
            "until": f"{until:.9f}",
            "filters": json.dumps({"container": [container]}),
        }
        text = self._call("GET", "/events", query, timeout_seconds=10)
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def load(self, archive: Iterable[bytes] | IO[bytes]) -> None:
        """Load an image archive in the format of ``docker save``."""
        _complain(self._call("POST", "/images/load", {"quiet": "1"}, body=archive))

    def remove_container(self, name: str) -> None:
        """Kill and remove a container and its volumes, and wait until it is gone. Does nothing if there is none."""
        try:
            self._call("DELETE", f"/containers/{name}", {"force": "1", "v": "1"}, timeout_seconds=30)
        except EngineError as error:
            if error.status == http.client.CONFLICT:  # --rm is removing it already
                self._await_removal(name)
            elif error.status != http.client.NOT_FOUND:
                raise

    def _await_removal(self, name: str) -> None:
        try:
            self._call("POST", f"/containers/{name}/wait", {"condition": "removed"}, timeout_seconds=30)
        except EngineError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def remove_image(self, tag: str) -> None:
        """Untag an image, and delete it if no other tag names it. Does nothing if there is none."""
        try:
            self._call("DELETE", f"/images/{tag}", {"force": "1"})
        except EngineError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def _facts(self, path: str, timeout_seconds: float = 10.0) -> dict[str, Any]:
        found = self._json("GET", path, timeout_seconds=timeout_seconds)
        if not isinstance(found, dict):
            raise TypeError(f"{path} is no object")
        return found

    def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, *, timeout_seconds: float = 10.0
    ) -> Any:
        return json.loads(self._call(method, path, query, timeout_seconds=timeout_seconds))

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Iterable[bytes] | IO[bytes] | None = None,
        timeout_seconds: float = WORK_SECONDS,
    ) -> str:
        connection = _UnixConnection(self.path, timeout_seconds)
        try:
            target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
            headers = {"Content-Type": "application/x-tar"} if body else {}
            connection.request(method, target, body=body, headers=headers, encode_chunked=bool(body))
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error, timeout_seconds) from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineError(
                say(
                    "docker.answer",
                    "{method} {path}: {status} {message}",
                    method=method,
                    path=path,
                    status=answer.status,
                    message=_message(text),
                ),
                status=answer.status,
            )
        return text

    def _unreachable(self, error: Exception, timeout_seconds: float) -> EngineError:
        if isinstance(error, FileNotFoundError):
            return EngineError(
                say(
                    "docker.no_socket",
                    "there is no Docker daemon: no socket {path}",
                    path=self.path,
                ),
                absent=True,
            )
        if isinstance(error, ConnectionRefusedError):
            return EngineError(
                say(
                    "docker.stopped",
                    "the Docker daemon is stopped: nothing listens at {path}",
                    path=self.path,
                ),
                absent=True,
            )
        if isinstance(error, PermissionError):
            return EngineError(
                say(
                    "docker.permission",
                    "permission denied on Docker's socket {path}",
                    path=self.path,
                ),
                _permission(self.path),
            )
        if isinstance(error, TimeoutError):
            return EngineError(
                say(
                    "docker.slow",
                    "the Docker daemon at {path} did not answer in {seconds} s",
                    path=self.path,
                    seconds=f"{timeout_seconds:g}",
                )
            )
        code = error.errno if isinstance(error, OSError) else None
        gone = isinstance(error, http.client.HTTPException) or code in {errno.EPIPE, errno.ECONNRESET}
        if gone:
            return EngineError(
                say(
                    "docker.gone",
                    "the Docker daemon at {path} went away: {error}",
                    path=self.path,
                    error=f"{error!r}",
                ),
                absent=True,
            )
        return EngineError(
            say(
                "docker.socket_unusable",
                "Docker's socket {path} cannot be used: {error}",
                path=self.path,
                error=error,
            )
        )


def _permission(path: str) -> str:
    try:
        group = Path(path).group()
    except (OSError, KeyError):
        group = "root"
    if group == "root":
        return say("remedy.run_root", "run as root")
    return say(
        "docker.group", "run as root, or let root add you to its group and log in again: `usermod -aG {group} {user}`",
        group=group, user=_user(),
    )  # fmt: skip


def _user() -> str:
    import pwd  # noqa: PLC0415 - for the text of one error only

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text.strip()[:200]


def _complain(progress: str) -> None:
    """Raise the error that a stream of progress messages reports although its HTTP status was fine."""
    for line in progress.splitlines():
        try:
            error = json.loads(line).get("error")
        except (ValueError, AttributeError, RecursionError):
            continue
        if error:
            raise EngineError(
                say("container.image_not_loaded", "the image cannot be loaded: {error}", error=error)
            )
