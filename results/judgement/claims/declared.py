"""Declare the claims of the study note, each with the rule that judges it and the workloads that the rule needs.

A rule is data: its kind and its limits are fixed here, before anything is measured, and ``verdict.py`` applies them. The
note's own sentences are in the catalogue of the reports. Planning reads the needs, so that nothing heavy is imported.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PlaceKind = Literal["host", "container", "guest", "sandbox"]
"""Kind of place that a claim is about. ``sandbox``: a container whose jobs run on a kernel in user space."""

WORK = ("cpu", "memory", "kernel", "disk", "network", "python", "apps")
"""Families whose workloads measure what running in a place costs, as opposed to making or delivering it."""


class Loss(msgspec.Struct, frozen=True):
    """Guests lose performance against the host, in the order of their exits."""

    margin: float = 0.02
    """Relative cost that the whole interval of a workload must exceed."""
    least_correlation: float = 0.5
    """Rank correlation between cost and exits per second from which on exits explain the order of the costs."""
    least_workloads: int = 4
    """Workloads with counted exits below which there is no order to explain."""
    families: tuple[str, ...] = WORK


class NoLoss(msgspec.Struct, frozen=True):
    """Containers cost nothing that matters."""

    margin: float = 0.02
    """Relative cost inside which the whole interval of a workload must lie."""
    least_decided: float = 0.75
    """Share of the workloads that must be decided before all of them count as free of loss."""
    families: tuple[str, ...] = WORK


class Kept(msgspec.Struct, frozen=True):
    """A guest keeps its performance whatever its neighbours do."""

    least: float = 0.95
    """Share of its performance alone that the victim must keep, with the whole interval."""
    throughput: str = "neighbours.throughput.apart"
    """Metric with the slowdown of a victim that computes, beside a stressor, both with CPUs of their own; 1: none."""
    latency: str = "neighbours.latency.apart"
    """The same of a victim that answers."""


class Larger(msgspec.Struct, frozen=True):
    """An image of a guest is larger than that of a container with the same payload."""

    margin: float = 0.02
    """Relative difference that matters."""


class Kernels(msgspec.Struct, frozen=True):
    """Containers run on the host's kernel, and guests do not."""


class OnlyNeeded(msgspec.Struct, frozen=True):
    """A container's image holds only what its application needs; never refuted, as bytes may be read later."""

    least: float = 0.9
    """Share of the image's bytes that must be read before the first answer."""


class Untouched(msgspec.Struct, frozen=True):
    """No attempt of a container without extra privileges to reach the host succeeds."""

    only_seeing: tuple[str, ...] = ("see-host-process", "read-kernel-log", "use-bpf", "watch-all-processes")
    """Attempts that change nothing on the host: listed where they are open, and not counted."""


class Runs(msgspec.Struct, frozen=True):
    """A server answers in a place whose root holds nothing but its image."""


class SameFacts(msgspec.Struct, frozen=True):
    """Places made of one image show their jobs the same environment."""

    of_image: tuple[str, ...] = ("libc.image",)
    """Beginnings of the facts that come from the image; a difference in one of them refutes."""
    of_place: tuple[str, ...] = ("namespace.", "cgroup.path", "kernel.boot_id", "kernel.clock")
    """Beginnings of the facts that name a place and describe no environment; they are left out."""


class Reuse(msgspec.Struct, frozen=True):
    """A new version arrives sooner, and with fewer bytes, where the target has its other layers."""

    margin: float = 0.02
    """Relative difference that matters."""


class Quick(msgspec.Struct, frozen=True):
    """A container is there within seconds, and sooner than a guest."""

    most_seconds: float = 5.0
    """Time that the slowest start may take (the 99th percentile from 100 starts on)."""
    margin: float = 0.02
    """Relative difference that matters between a guest's start and a container's."""


class Many(msgspec.Struct, frozen=True):
    """Many containers are open at once, and the last ones start about as fast as the first ones."""

    least_places: int = 16
    """Places that must be open at the same time."""
    most_growth: float = 2.0
    """Factor by which the starts of the last quarter may be slower than those of the first."""


class Shapes(msgspec.Struct, frozen=True):
    """An application made of services runs in containers about as fast as on the host, in each of its shapes."""

    margin: float = 0.10
    """Relative cost, against the same shape on the host, inside which the whole interval must lie."""
    families: tuple[str, ...] = ("services",)


Rule = (
    Loss | NoLoss | Kept | Larger | Kernels | OnlyNeeded | Untouched | Runs | SameFacts | Reuse | Quick | Many | Shapes
)  # fmt: skip


class Claim(msgspec.Struct, frozen=True):
    """One claim of the note: how it is judged, by what, and where the report shows that."""

    id: str
    rule: Rule
    needs: tuple[str, ...]
    """Names of workloads or families that the rule reads; not empty."""
    kinds: tuple[PlaceKind, ...]
    """Kinds of places that must have been measured, besides the host."""
    section: str
    """Section of the report that shows the measurements."""


_DEPLOY = ("deploy-static", "deploy-python", "deploy-postgres")

CLAIMS: tuple[Claim, ...] = (
    Claim("hypervisor-tax", Loss(), WORK, ("guest",), "overhead"),
    Claim("vm-independent", Kept(), ("neighbours",), ("guest",), "neighbours"),
    Claim("vm-image-large", Larger(), _DEPLOY, ("container", "guest"), "deploy"),
    Claim("container-near-zero", NoLoss(), WORK, ("container",), "overhead"),
    Claim("kernel-shared", Kernels(), ("isolation",), ("container", "guest"), "isolation"),
    Claim("image-small", OnlyNeeded(), _DEPLOY, ("container",), "deploy"),
    Claim("host-untouched", Untouched(), ("isolation",), ("container",), "isolation"),
    Claim("deploy-simple", Runs(), _DEPLOY, ("container",), "deploy"),
    Claim("same-everywhere", SameFacts(), ("isolation",), ("container",), "isolation"),
    Claim("layers-fast", Reuse(), _DEPLOY, ("container",), "deploy"),
    Claim("seconds-to-start", Quick(), ("null", "starts-4", *_DEPLOY), ("container",), "startup"),
    Claim("many-at-once", Many(), ("density",), ("container",), "crowd"),
    Claim("microservices", Shapes(), ("services",), ("container",), "services"),
)
"""The claims, in the order of the note."""

EVERYTHING = "claims"
"""Word of ``-k`` that stands for all that the ledger needs."""


def selections() -> dict[str, frozenset[str]]:
    """Give the words of ``-k`` that claims add: :data:`EVERYTHING` and each claim's id → names and families."""
    found = {claim.id: frozenset(claim.needs) for claim in CLAIMS}
    return {EVERYTHING: frozenset().union(*found.values()), **found}
