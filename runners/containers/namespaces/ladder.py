"""Define the isolation ladder: its rungs, what each adds, and which rung below it is compared with.

The trunk goes from ``chroot`` to ``seccomp``, at which the container is complete. Branches leave it where there is a
choice: a user namespace (root's containers do not need one), a plain pair of devices, a bridge or NAT instead of no
network, and each cgroup controller by itself.

An ordinary user can do none of this outside a user namespace, so for them it is part of every rung. Only the network
branches are none: their containers share a user namespace (:mod:`tare.runners.containers.namespaces.network`).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from tare.results.environment import RungRecord
from tare.results.said import say
from tare.runners.errors import TareError
from tare.runners.host.cgroups.limits import CONTROLLERS
from tare.runners.model import NamedVariants

Network = Literal["none", "veth", "bridge", "nat"]

TRUNK: Final = ("chroot", "mount", "overlayfs", "pid", "uts+ipc", "net", "cgroup", "caps", "seccomp")
"""Rungs of the trunk, lowest first. ``mount`` replaces ``chroot``; every other rung keeps those below it."""

_BRANCHES: Final = {
    "user": "uts+ipc",
    "net-veth": "net",
    "net-bridge": "net-veth",
    "net-nat": "net-bridge",
    **{f"cgroup:{controller}": "net" for controller in CONTROLLERS},
}
"""Rung on which no other is built → the rung below it."""

_NETWORKS: Final[dict[str, Network]] = {"net-veth": "veth", "net-bridge": "bridge", "net-nat": "nat"}
"""Rung → the network that it adds."""

KIND = "namespaces"

PRIVILEGED: Final = "privileged"
"""Variant of the full container with all capabilities, no filter, and writable /proc and /sys, like ``--privileged``
of engines. It is not a rung; it shows what the last two rungs prevent."""

CONNECTED: Final[tuple[Network, ...]] = ("veth", "bridge", "nat")
"""Variants of the full container that have this network instead of none. They are not rungs either."""


class LadderRung(msgspec.Struct, frozen=True):
    """Everything that a container at one rung has."""

    name: str
    """Name of the rung, or one of :data:`PRIVILEGED` and :data:`CONNECTED`."""
    below: str
    """Next lower rung; empty for the lowest."""
    parts: tuple[str, ...]
    """Members of :data:`TRUNK` and ``user``, in the order of the ladder."""
    network: Network
    """Kind of network that the part ``net`` makes."""
    controllers: tuple[str, ...]
    """Cgroup controllers that the part ``cgroup`` uses."""


def known() -> tuple[str, ...]:
    """List all variants of the runner ``namespaces``, lowest rung first, each branch behind the rung it leaves."""
    return ("full", *(_variant(rung) for rung in rungs()), PRIVILEGED, *CONNECTED)


def rungs() -> tuple[str, ...]:
    """List all rungs in the order of reports."""
    found: list[str] = []

    def add(rung: str) -> None:
        found.append(rung)
        for branch, below in _BRANCHES.items():
            if below == rung:
                add(branch)

    for rung in TRUNK:
        add(rung)
    return tuple(found)


def ladder_rung(name: str, *, root: bool) -> LadderRung:
    """Resolve a runner's name: ``namespaces`` is the full container, ``namespaces:+pid`` everything up to ``pid``.

    Raises:
        TareError: there is no such rung.
    """
    variant = name.partition(":")[2]
    rung = variant.removeprefix("+")
    if rung in {"", "full"}:
        rung = TRUNK[-1]
    if rung == PRIVILEGED:
        kept = {*TRUNK, *(() if root else ("user",))} - {"chroot", "caps", "seccomp"}
        return LadderRung(rung, "", tuple(part for part in _order() if part in kept), "none", CONTROLLERS)
    if variant in CONNECTED:
        return replace(ladder_rung(KIND, root=root), name=variant, below="", network=variant)
    if rung not in rungs():
        raise TareError(
            say(
                "rung.unknown",
                "{name}: there is no rung {rung!r}; known are {names}",
                name=name,
                rung=rung,
                names=", ".join(known()),
            )
        )
    trunk = rung
    while trunk not in TRUNK:
        trunk = _BRANCHES[trunk]
    parts = [part for part in TRUNK[: TRUNK.index(trunk) + 1] if part != "chroot" or trunk == "chroot"]
    if rung.startswith("cgroup:"):
        parts.append("cgroup")
    if rung == "user" or not root:
        parts.append("user")
    return LadderRung(
        name=rung,
        below=_below(rung, root=root),
        parts=tuple(part for part in _order() if part in parts),
        network=_NETWORKS.get(rung, "none"),
        controllers=(rung.partition(":")[2],) if rung.startswith("cgroup:") else CONTROLLERS,
    )


def ladder(*, root: bool) -> tuple[str, ...]:
    """List the runners that make up the ladder, lowest rung first.

    The last rung has the name of the full container. Without root, ``user`` is part of all rungs and so is not a rung.
    """
    return tuple(runner(rung) for rung in rungs() if root or rung != "user")


def runner(rung: str) -> str:
    """Give the name of the runner at a rung."""
    return KIND if rung == TRUNK[-1] else f"{KIND}:{_variant(rung)}"


def rung_record(stand: LadderRung, *, root: bool) -> RungRecord | None:
    """Describe for reports which rung this is, and the runners below it; ``None`` for what stands on no rung."""
    if stand.name in {PRIVILEGED, *CONNECTED}:
        return None
    below = []
    rung = stand.below
    while rung:
        below.append(runner(rung))
        rung = _below(rung, root=root)
    return RungRecord(name=stand.name, position=rungs().index(stand.name), below=(*below, "bare"))


def _below(rung: str, *, root: bool) -> str:
    if rung == "user" and not root:
        return ""  # it is in all of them
    if rung in _BRANCHES:
        return _BRANCHES[rung]
    at = TRUNK.index(rung)
    return TRUNK[at - 1] if at else ""


def _order() -> tuple[str, ...]:
    at = TRUNK.index("net")
    return (*TRUNK[:at], "user", *TRUNK[at:])


def _variant(rung: str) -> str:
    return rung if rung == TRUNK[0] else f"+{rung}"


VARIANTS = NamedVariants(known())
"""Variants of the runner ``namespaces``."""
