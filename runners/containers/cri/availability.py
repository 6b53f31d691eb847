"""Places made by containerd through CRI, the gRPC API by which a kubelet asks a runtime for pods."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from tare.runners.errors import TareError
from tare.runners.model import Probe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext, Runner
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits, Place
    from tare.runners.provision.tools import Provision

NO_LIBRARY = "CRI is spoken by gRPC, and grpcio and protobuf are not installed"
REMEDY = "pip install 'tarebench[cri]'"
_NEEDED = ("grpc", "google.protobuf")


def containerd(context: RunContext, provision: Provision) -> Runner:
    """The runner, or one that says what its library is called and how to get it."""
    if not importable():
        return _Unsupported()
    from tare.runners.containers.cri.runner import Containerd  # noqa: PLC0415 - a gRPC library, which is optional

    return Containerd(context, provision)


def importable() -> bool:
    """Whether the libraries of the extra ``cri`` are installed."""
    try:
        return all(importlib.util.find_spec(name) for name in _NEEDED)
    except ModuleNotFoundError:  # the parent of a dotted name
        return False


class _Unsupported:
    """A runner that only explains itself."""

    name = label = "containerd"
    accelerator: Accelerator = "none"

    def probe(self) -> Probe:
        return Probe(
            ok=False,
            reason=NO_LIBRARY,
            remedy=REMEDY,
        )

    def prepare(self, image: Image, limits: Limits) -> None:
        raise TareError(f"{self.name} cannot be prepared for {image.key} and {limits}: {self.probe().reason}")

    def open(self, first: Job | None = None) -> AbstractContextManager[Place]:
        raise TareError(f"{self.name} cannot be opened for {first}: {self.probe().reason}")

    def close(self) -> None:
        """Nothing was made."""
