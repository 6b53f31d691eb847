"""Make the runner ``containerd``, or explain which library it lacks.

CRI is a gRPC API, and gRPC is an optional dependency: nothing here imports it before the runner is made.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.model import Probe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tare.results.record import Accelerator
    from tare.runners.context import Runner, Supplies
    from tare.runners.images.image import Image
    from tare.runners.model import Job, Limits, Place

NO_LIBRARY = say("container.cri_needs_grpc", "CRI needs gRPC, and grpcio and protobuf are not installed")
REMEDY = say("remedy.pip_cri", "pip install 'tarebench[cri]'")
_NEEDED = ("grpc", "google.protobuf")


def make(supplies: Supplies, _name: str) -> Runner:
    """Make the runner, or a stand-in whose probe says which library is missing and how to install it."""
    if not importable():
        return _Unsupported()
    from tare.runners.containers.cri.runner import Containerd  # noqa: PLC0415 - imports gRPC, which is optional

    return Containerd(supplies.context, supplies.provision)


def importable() -> bool:
    """Tell whether the libraries of the extra ``cri`` are installed, without importing them."""
    try:
        return all(importlib.util.find_spec(name) for name in _NEEDED)
    except ModuleNotFoundError:  # the parent of a dotted name
        return False


class _Unsupported:
    """Runner whose probe explains why it cannot be used."""

    name = label = "containerd"
    accelerator: Accelerator = "none"

    def probe(self) -> Probe:
        return Probe(
            ok=False,
            reason=NO_LIBRARY,
            remedy=REMEDY,
        )

    def prepare(self, image: Image, limits: Limits) -> None:
        raise TareError(
            say(
                "cri.not_prepared",
                "{name} cannot be prepared for {key} and {limits}: {reason}",
                name=self.name,
                key=image.key,
                limits=limits,
                reason=self.probe().reason,
            )
        )

    def open(self, first: Job | None = None) -> AbstractContextManager[Place]:
        raise TareError(
            say(
                "cri.not_opened",
                "{name} cannot be opened for {first}: {reason}",
                name=self.name,
                first=first,
                reason=self.probe().reason,
            )
        )

    def close(self) -> None:
        """Do nothing: nothing was made."""
