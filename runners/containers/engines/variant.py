"""Read the variant in an engine's name: a network, or ``privileged``. Docker and Podman take the same options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tare.runners.containers.namespaces.ladder import PRIVILEGED
from tare.runners.model import NamedVariants

NETWORKS = ("none", "host", "bridge")
VARIANTS = NamedVariants((*NETWORKS, PRIVILEGED))
"""Variants of Docker and of Podman."""


@dataclass(frozen=True, slots=True)
class EngineVariant:
    """Difference between a runner's containers and the engine's default."""

    network: str = ""
    """Value of ``--network``; empty: the engine's default."""
    privileged: bool = False

    @classmethod
    def of(cls, name: str) -> Self:
        """Read the variant from a runner's whole name."""
        variant = name.partition(":")[2]
        return cls(privileged=True) if variant == PRIVILEGED else cls(network=variant)

    @property
    def options(self) -> tuple[str, ...]:
        """Options for ``docker run`` and ``podman run``."""
        return (
            *(("--network", self.network) if self.network else ()),
            *(("--privileged",) if self.privileged else ()),
        )
