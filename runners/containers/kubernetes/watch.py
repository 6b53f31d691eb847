"""Watch a run's pods by one `kubectl get --watch`, and note when the cluster reports each change."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tare.runners.containers.kubernetes.kubectl import Kubectl

DELETED_SECONDS = 3.0
"""Longest wait for the last event after the client has returned."""


@dataclass(slots=True)
class PodWatch:
    """Watch of the pods in a namespace. A context manager; it runs one process and one thread.

    Times are those at which events arrived here, in ns of ``CLOCK_REALTIME``.
    """

    kubectl: Kubectl
    namespace: str
    run: str
    """Run id, which marks the process for clean-up."""
    _seen: dict[str, dict[str, int]] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _process: subprocess.Popen[bytes] | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.kubectl.argv(
                *("get", "pods", "--namespace", self.namespace, "--watch", "--output-watch-events"),
                *("--output", "json"),
            ),
            env={**self.kubectl.environ, "TARE_RUN": self.run},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._listen, name="tare-pods", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._thread is not None:
            self._process.kill()
            self._process.wait()
            self._thread.join()
            if self._process.stdout:
                self._process.stdout.close()

    def events(self, pod: str) -> list[tuple[str, int]]:
        """List a pod's events, waiting for that of its removal.

        Returns:
            Names as in :mod:`tare.runners.containers.engines.phases`, each with its time, in order.
        """
        deadline = time.monotonic() + DELETED_SECONDS
        with self._news:
            while "remove" not in self._seen.get(pod, {}) and (left := deadline - time.monotonic()) > 0:
                if not self._news.wait(left):
                    break
            return sorted(self._seen.pop(pod, {}).items(), key=lambda each: each[1])

    def take(self, event: Mapping[str, Any], now_ns: int) -> None:
        """Note the states that a pod has reached by an event."""
        pod = event.get("object", {})
        name = pod.get("metadata", {}).get("name", "")
        with self._news:
            seen = self._seen.setdefault(name, {})
            for what in states(event.get("type", ""), pod.get("status", {})):
                seen.setdefault(what, now_ns)
            self._news.notify_all()

    def _listen(self) -> None:
        assert self._process is not None  # noqa: S101 - see __enter__
        assert self._process.stdout is not None  # noqa: S101
        documents = Documents()
        with suppress(OSError, ValueError):
            while data := self._process.stdout.read1():  # type: ignore[attr-defined]
                now_ns = time.time_ns()
                for event in documents.feed(data):
                    self.take(event, now_ns)


def states(kind: str, status: Mapping[str, Any]) -> Iterator[str]:
    """List the states of the pod in an event.

    ``create``: it has a node. ``start``: its container runs. ``die``: its container has ended. ``remove``: it is gone.
    """
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    if conditions.get("PodScheduled") == "True":
        yield "create"
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        if "running" in state:
            yield "start"
        if "terminated" in state:
            yield "die"
    if kind == "DELETED":
        yield "remove"


class Documents:
    """Splitter of a stream of JSON documents."""

    def __init__(self) -> None:
        self._text = ""
        self._bytes = b""

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """Take more of the stream, and return the documents that are now complete."""
        self._bytes += data
        try:
            self._text += self._bytes.decode()
            self._bytes = b""
        except UnicodeDecodeError:  # the data ends within a character
            return
        decoder = json.JSONDecoder()
        while self._text.strip():
            self._text = self._text.lstrip()
            try:
                document, end = decoder.raw_decode(self._text)
            except (ValueError, RecursionError):
                return
            self._text = self._text[end:]
            if isinstance(document, dict):
                yield document
