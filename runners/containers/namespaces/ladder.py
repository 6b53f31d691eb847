"""The isolation ladder: its rungs by name, what each adds, and to which one below it is compared.

The trunk goes from ``chroot`` to ``seccomp``, where the container is complete. Branches leave it where there is a
choice: a user namespace (root's containers do not need one), a bridge and NAT where others have no network, and each
cgroup controller by itself.

An ordinary user may do none of it without a user namespace first, so there it is in every rung, and only the network
branches are out of reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tare.results.environment import RungRecord
from tare.runners.errors import TareError
from tare.runners.host.cgroups.limits import CONTROLLERS
from tare.runners.model import NamedVariants

Network = Literal["none", "bridge", "nat"]

TRUNK: Final = ("chroot", "mount", "overlayfs", "pid", "uts+ipc", "net", "cgroup", "caps", "seccomp")
"""From the ground up; ``mount`` replaces ``chroot``, each other rung keeps those below it."""

_BRANCHES: Final = {
    "user": "uts+ipc",
    "net-bridge": "net",
    "net-nat": "net-bridge",
    **{f"cgroup:{controller}": "net" for controller in CONTROLLERS},
}
"""Rung that nothing is built upon → the rung below it."""

KIND = "namespaces"

PRIVILEGED: Final = "privileged"
"""The full container with nothing taken away, as engines understand ``--privileged``: all capabilities, no filter,
/proc and /sys writable. It is no rung: its use is to see what the last two keep from happening."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A container that stands on one rung: all that it has."""

    rung: str
    below: str
    """The next lower rung; empty on the ground."""
    parts: tuple[str, ...]
    """Of :data:`TRUNK` and ``user``, in the order of the ladder."""
    network: Network
    """What the part ``net`` is made as."""
    controllers: tuple[str, ...]
    """Of the part ``cgroup``."""


def known() -> tuple[str, ...]:
    """All variants of the runner ``namespaces``, from the ground up, with the branches where they leave."""
    return ("full", *(_variant(rung) for rung in rungs()), PRIVILEGED)


def rungs() -> tuple[str, ...]:
    """All rungs in the order of reports."""
    found: list[str] = []

    def add(rung: str) -> None:
        found.append(rung)
        for branch, below in _BRANCHES.items():
            if below == rung:
                add(branch)

    for rung in TRUNK:
        add(rung)
    return tuple(found)


def standing(name: str, *, root: bool) -> Standing:
    """What a runner's name stands for: ``namespaces`` is the full container, ``namespaces:+pid`` all up to ``pid``.

    Raises:
        TareError: there is no such rung.
    """
    rung = name.partition(":")[2].removeprefix("+")
    if rung in {"", "full"}:
        rung = TRUNK[-1]
    if rung == PRIVILEGED:
        kept = {*TRUNK, *(() if root else ("user",))} - {"chroot", "caps", "seccomp"}
        return Standing(rung, "", tuple(part for part in _order() if part in kept), "none", CONTROLLERS)
    if rung not in rungs():
        raise TareError(f"{name}: there is no rung {rung!r}; known are {', '.join(known())}")
    trunk = rung
    while trunk not in TRUNK:
        trunk = _BRANCHES[trunk]
    parts = [part for part in TRUNK[: TRUNK.index(trunk) + 1] if part != "chroot" or trunk == "chroot"]
    if rung.startswith("cgroup:"):
        parts.append("cgroup")
    if rung == "user" or not root:
        parts.append("user")
    return Standing(
        rung=rung,
        below=_below(rung, root=root),
        parts=tuple(part for part in _order() if part in parts),
        network="bridge" if rung == "net-bridge" else "nat" if rung == "net-nat" else "none",
        controllers=(rung.partition(":")[2],) if rung.startswith("cgroup:") else CONTROLLERS,
    )


def ladder(*, root: bool) -> tuple[str, ...]:
    """The runners that are the whole ladder, from the ground up.

    The last rung goes by the full container's name. Without root, ``user`` is in all of them, so there is none apart.
    """
    return tuple(runner(rung) for rung in rungs() if root or rung != "user")


def runner(rung: str) -> str:
    """The runner that stands on a rung."""
    return KIND if rung == TRUNK[-1] else f"{KIND}:{_variant(rung)}"


def rung_record(stand: Standing, *, root: bool) -> RungRecord | None:
    """Describe for reports which rung this is, and the runners below it; ``None`` for what stands on no rung."""
    if stand.rung == PRIVILEGED:
        return None
    below = []
    rung = stand.below
    while rung:
        below.append(runner(rung))
        rung = _below(rung, root=root)
    return RungRecord(name=stand.rung, position=rungs().index(stand.rung), below=(*below, "bare"))


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
