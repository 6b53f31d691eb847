"""Places made by containerd through CRI, the gRPC API by which a kubelet asks a runtime for pods."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from tare.runners.containers.cri.errors import CriError
from tare.runners.containers.engines.clearing import repository
from tare.runners.errors import TareError
from tare.runners.model import Probe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tare.results.record import Accelerator
    from tare.runners.context import RunContext
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits, Place, Runner
    from tare.runners.provision.tools import Provision

_NO_LIBRARY = "CRI is spoken by gRPC, and grpcio and protobuf are not installed"
_REMEDY = "pip install 'tarebench[cri]'"
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


def clear_cri(path: str, run: str) -> list[str]:
    """Remove all pods and images of a run from the runtime at ``path``; returns what was removed.

    Raises:
        CriError: it does not answer (``absent``), or refuses; or the libraries are gone.
    """
    if not Path(path).exists() and any(part.startswith("tare-") for part in Path(path).parts):
        return []  # of a cluster for trying, which is gone with all that was in it
    if not importable():
        raise CriError(f"the runtime at {path} cannot be asked: {_NO_LIBRARY}", remedy=_REMEDY, absent=True)
    from tare.runners.containers.cri.client import Cri  # noqa: PLC0415

    removed = []
    with Cri(path) as cri:
        for sandbox in cri.sandboxes(run):
            cri.remove_pod(sandbox)
            removed.append(f"pod {sandbox[:12]} in containerd")
        for tag in cri.images(f"localhost/{repository(run)}"):
            cri.remove_image(tag)
            removed.append(f"image {tag} in containerd")
    return removed


class _Unsupported:
    """A runner that only explains itself."""

    name = label = "containerd"
    accelerator: Accelerator = "none"

    def probe(self) -> Probe:
        return Probe(
            ok=False,
            reason=_NO_LIBRARY,
            remedy=_REMEDY,
        )

    def prepare(self, image: Image, limits: Limits) -> None:
        raise TareError(f"{self.name} cannot be prepared for {image.key} and {limits}: {self.probe().reason}")

    def open(self, first: Job | None = None) -> AbstractContextManager[Place]:
        raise TareError(f"{self.name} cannot be opened for {first}: {self.probe().reason}")

    def close(self) -> None:
        """Nothing was made."""
