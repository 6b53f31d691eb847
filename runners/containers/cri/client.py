"""Call a container runtime through CRI, as a kubelet does. Needs gRPC, so import it only after checking for that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import grpc

from tare.results.said import say
from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.cri.messages import PACKAGE, decode, encode, pairs

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_SECONDS = 2.0
CALL_SECONDS = 60.0
SHIM_SECONDS = 5.0
"""Time that containerd gets to notice that a shim was killed."""
NOT_FOUND = "NOT_FOUND"
"""gRPC's status for what is not there. CRI wants no error for it, but some versions of containerd give it."""
LABEL = "tare.run"
IMAGE_CALLS = frozenset({"ListImages", "RemoveImage"})
"""Calls of CRI's image service; all others belong to its runtime service."""


@dataclass(slots=True)
class Cri:
    """Connection to one runtime. A context manager: leaving it closes the connection."""

    path: str
    """Path of the runtime's socket."""
    _channel: Any = field(init=False)
    _methods: dict[str, Callable[..., Any]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        # A proxy named in the environment cannot reach a socket of this host.
        self._channel = grpc.insecure_channel(f"unix://{self.path}", options=[("grpc.enable_http_proxy", 0)])

    def call(
        self, method: str, values: dict[str, Any] | None = None, seconds: float = CALL_SECONDS
    ) -> dict[str, Any]:
        """Make one call.

        Args:
            method: name of the CRI call.
            values: fields of the request, see :mod:`tare.runners.containers.cri.messages`.
            seconds: time limit.

        Returns:
            The fields of the response.

        Raises:
            CriError: the call was refused or timed out.
        """
        if method not in self._methods:
            service = "ImageService" if method in IMAGE_CALLS else "RuntimeService"
            self._methods[method] = self._channel.unary_unary(
                f"/{PACKAGE}.{service}/{method}",
                request_serializer=lambda values: encode(f"{method}Request", values),
                response_deserializer=lambda data: decode(f"{method}Response", data),
            )
        try:
            found: dict[str, Any] = self._methods[method](values or {}, timeout=seconds)
        except grpc.RpcError as error:
            code = error.code().name
            raise CriError(
                say(
                    "cri.failed",
                    "CRI's {method} at {path}: {details} ({code})",
                    method=method,
                    path=self.path,
                    details=error.details(),
                    code=code,
                ),
                absent=code == "UNAVAILABLE",
                code=code,
            ) from error
        return found

    def undo(self, method: str, values: dict[str, Any]) -> None:
        """Make a call that stops or removes something. What is gone already counts as success.

        Raises:
            CriError: as :meth:`call`.
        """
        end = time.monotonic() + SHIM_SECONDS
        while True:
            try:
                self.call(method, values)
            except CriError as error:
                if error.code == NOT_FOUND:
                    return
                # containerd learns a little later that a container's shim was killed, and until then cannot stop it.
                if "ttrpc: closed" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return

    def version(self) -> str:
        """Ask for the name and version of the runtime."""
        found = self.call("Version", seconds=PROBE_SECONDS)
        return f"{found['runtime_name']} {found['runtime_version']}"

    def not_ready(self) -> str:
        """Ask what keeps the runtime from being ready, usually its network; empty if it is ready."""
        conditions = self.call("Status", seconds=PROBE_SECONDS).get("status", {}).get("conditions", ())
        bad = [each for each in conditions if not each.get("status")]
        return "; ".join(f"{each['type']}: {each.get('message', each.get('reason', ''))}" for each in bad)

    def sandboxes(self, run: str) -> list[str]:
        """List the ids of a run's pods, by their label."""
        wanted = {"filter": {"label_selector": pairs({LABEL: run})}}
        return [each["id"] for each in self.call("ListPodSandbox", wanted).get("items", ())]

    def images(self, repository: str) -> list[str]:
        """List the tags of the images with this name."""
        tags = [
            tag for each in self.call("ListImages").get("images", ()) for tag in each.get("repo_tags", ())
        ]
        return [tag for tag in tags if tag.rpartition(":")[0] == repository]

    def remove_pod(self, sandbox: str) -> None:
        """Stop and remove a pod and everything in it. Does nothing if the pod is gone."""
        self.undo("StopPodSandbox", {"pod_sandbox_id": sandbox})
        self.undo("RemovePodSandbox", {"pod_sandbox_id": sandbox})

    def remove_image(self, tag: str) -> None:
        """Remove an image. Does nothing if it is gone."""
        self.undo("RemoveImage", {"image": {"image": tag}})

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
